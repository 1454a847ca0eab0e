// What Rust adds to C's types: enumerations that hold something, with a tag of their own or none, tuples, references, texts, generics.
// Built by build-rust.sh.
#![feature(no_core, lang_items, intrinsics, rustc_attrs, auto_traits)]
#![no_core]
#![no_main]
#![allow(internal_features, dead_code)]

// Without its library, so that it is small: what the language itself asks for.
#[lang = "pointee_sized"]
pub trait PointeeSized {}
#[lang = "meta_sized"]
pub trait MetaSized: PointeeSized {}
#[lang = "sized"]
pub trait Sized: MetaSized {}
#[lang = "copy"]
pub trait Copy {}
impl Copy for i64 {}
impl Copy for u32 {}
impl<T> Copy for &T {}
#[lang = "freeze"]
pub unsafe auto trait Freeze {}
#[lang = "drop_in_place"]
unsafe fn drop_in_place<T: PointeeSized>(_: *mut T) {}

pub enum Shape {
    Circle(u32),
    Rectangle { width: u32, height: u32 },
    Point,
}
pub enum Maybe<T> {
    Nothing,
    Just(T),
}
#[repr(u8)]
pub enum Sign {
    Minus = 255,
    Zero = 0,
    Plus = 1,
}
pub struct Pair<A, B> {
    first: A,
    second: B,
}

#[no_mangle]
pub static mut SEEN: i64 = 0;

#[inline(never)]
#[no_mangle]
pub fn stop(value: i64) {
    unsafe { SEEN = value }
}

#[no_mangle]
pub extern "C" fn main() -> i64 {
    let number: i64 = 41;
    let tuple = (3u32, 4i64, true);
    let circle = Shape::Circle(5);
    let rectangle = Shape::Rectangle { width: 6, height: 7 };
    let point = Shape::Point;
    let some: Maybe<&i64> = Maybe::Just(&number);
    let none: Maybe<&i64> = Maybe::Nothing;
    let sign = Sign::Minus;
    let text = "blue \"whale\"";
    let pair = Pair { first: 'x', second: [1u32, 2, 3] };
    let nested = Maybe::Just(Pair { first: 1.5f64, second: Shape::Circle(9) });
    stop(number);
    number
}
