"""Does with files what programs do, in the directory that is its first argument, and says what came of it.

On every file system that is one, the output is the same. Run in the guest by files.test.ts.
"""
import errno
import fcntl
import hashlib
import mmap
import os
import random
import shutil
import signal
import sys


def error(action, *args, **named):
    try:
        action(*args, **named)
    except OSError as e:
        return errno.errorcode[e.errno]
    return 'done'


def operations(seed, count, most=300_000):
    """fsx: random operations on one file against its contents in memory."""
    rng = random.Random(seed)
    name = f'fsx-{seed}'
    model = bytearray()
    fd = os.open(name, os.O_RDWR | os.O_CREAT, 0o644)
    for n in range(count):
        what = rng.randrange(12)
        at = rng.randrange(most)
        length = rng.randrange(1, 70_000)
        if what < 3:
            data = rng.randbytes(length)
            model.extend(bytes(max(0, at - len(model))))
            model[at:at + length] = data
            assert os.pwrite(fd, data, at) == length
        elif what < 6:
            got = os.pread(fd, length, at)
            assert got == model[at:at + length], f'{n}: read {at} {length}'
        elif what == 6:
            size = rng.randrange(most)
            del model[size:]
            model.extend(bytes(size - len(model)))
            os.ftruncate(fd, size)
        elif what == 7 and len(model) > 0:
            at = rng.randrange(len(model))
            data = rng.randbytes(min(length, len(model) - at))
            with mmap.mmap(fd, len(model)) as m:
                assert m[:] == model, f'{n}: mapped'
                m[at:at + len(data)] = data
                m.flush()
            model[at:at + len(data)] = data
        elif what == 8:
            os.close(fd)
            fd = os.open(name, os.O_RDWR)
        elif what == 9:
            os.fdatasync(fd) if n % 2 else os.fsync(fd)
        elif what == 10 and len(model) > 0:
            source = rng.randrange(len(model))
            data = bytes(model[source:source + length])
            if source + len(data) <= at or at + len(data) <= source:
                left, to = len(data), at
                while left > 0:
                    left -= (done := os.copy_file_range(fd, fd, left, source + len(data) - left, to))
                    to += done
                model.extend(bytes(max(0, at - len(model))))
                model[at:at + len(data)] = data
        else:
            os.posix_fallocate(fd, at, length)
            model.extend(bytes(max(0, at + length - len(model))))
        assert os.fstat(fd).st_size == len(model), f'{n}: size after operation {what}'
    os.close(fd)
    with open(name, 'rb') as f:
        assert f.read() == model, 'in the end'
    print('operations', seed, hashlib.sha256(model).hexdigest()[:16])


def renames():
    os.mkdir('r')
    os.chdir('r')
    for name in 'a', 'b':
        with open(name, 'w') as f:
            f.write(name)
    held = open('b')
    os.rename('a', 'b')
    print('renamed', open('b').read(), held.read(), os.fstat(held.fileno()).st_nlink, os.listdir('.'))
    held.close()
    os.makedirs('d/e')
    print('into itself', error(os.rename, 'd', 'd/e/f'))
    os.mkdir('empty')
    os.rename('empty', 'd/e/empty')
    os.mkdir('other')
    print('over a full one', error(os.rename, 'other', 'd'))
    print('file over folder', error(os.rename, 'b', 'other'), 'folder over file', error(os.rename, 'other', 'b'))
    os.link('b', 'c')
    os.rename('b', 'c')  # two names of one file: nothing happens (rename(2))
    print('links', os.stat('c').st_nlink, sorted(os.listdir('.')))
    os.symlink('nowhere', 'l')
    os.rename('l', 'd/l')
    print('link', os.readlink('d/l'), error(os.open, 'd/l', os.O_RDONLY))
    here = os.open('d', os.O_RDONLY)
    os.rename('d', 'moved')
    print('in a folder that moved', error(os.stat, 'l', dir_fd=here, follow_symlinks=False))
    os.close(here)
    os.chdir('..')


def unlinked():
    fd = os.open('gone', os.O_RDWR | os.O_CREAT)
    os.write(fd, b'kept')
    os.unlink('gone')
    os.pwrite(fd, b'KE', 0)
    os.ftruncate(fd, 3)
    print('unlinked', os.pread(fd, 9, 0), os.fstat(fd).st_nlink, os.fstat(fd).st_size, error(os.stat, 'gone'))
    again = os.open('gone', os.O_RDWR | os.O_CREAT)
    print('another of its name', os.fstat(again).st_size)
    os.close(again)
    os.close(fd)


def locks():
    fd = os.open('lock', os.O_RDWR | os.O_CREAT)
    os.write(fd, b'0' * 8)
    fcntl.lockf(fd, fcntl.LOCK_EX, 4, 0)

    def child():
        own = os.open('lock', os.O_RDWR)
        seen = [error(fcntl.lockf, own, fcntl.LOCK_EX | fcntl.LOCK_NB, 4, at) for at in (0, 4)]
        seen.append(error(fcntl.flock, own, fcntl.LOCK_EX | fcntl.LOCK_NB))
        print('locks', *['held' if s in ('EAGAIN', 'EACCES') else s for s in seen], flush=True)
        fcntl.lockf(own, fcntl.LOCK_EX, 4, 0)  # waits for the parent
        os.pwrite(own, b'child', 0)

    pid = os.fork()
    if pid == 0:
        child()
        os._exit(0)
    signal.sigtimedwait([], 0.05)
    os.pwrite(fd, b'parent', 0)
    fcntl.lockf(fd, fcntl.LOCK_UN, 4, 0)
    os.waitpid(pid, 0)
    print('locked after another', os.pread(fd, 8, 0))
    os.close(fd)


def sparse():
    fd = os.open('sparse', os.O_RDWR | os.O_CREAT)
    for at in 0, 5_000_000_000, 2**40:
        os.pwrite(fd, b'data', at)
    print('sparse', os.fstat(fd).st_size, os.fstat(fd).st_blocks < 1000, os.pread(fd, 8, 4_999_999_998),
          os.pread(fd, 8, 2**40))
    os.close(fd)
    os.unlink('sparse')


def names(count):
    os.mkdir(b'names')
    every = [bytes([b]) for b in range(1, 256) if b not in b'./'] + [b'x' * 255, b'\xff\xfe', 'ü ö\n'.encode()]
    for name in every:
        os.close(os.open(b'names/' + name, os.O_CREAT | os.O_WRONLY))
    print('names', sorted(os.listdir(b'names')) == sorted(every), error(os.mkdir, b'names/' + b'x' * 256))
    os.mkdir('many')
    for i in range(count):
        os.close(os.open(f'many/{i}', os.O_CREAT | os.O_WRONLY))
    found = sorted(int(entry.name) for entry in os.scandir('many') if entry.is_file())
    print('many', len(found), found == list(range(count)))
    removed = 0
    with os.scandir('many') as entries:  # removing while reading leaves none out
        for entry in entries:
            os.unlink(entry.path)
            removed += 1
    print('removed', removed, error(os.rmdir, 'many'))


def attributes():
    with open('attr', 'w') as f:
        f.write('x')
    for name, value in ('user.one', b'1'), ('user.empty', b''), ('user.bytes', bytes(range(256))), ('user.ü =', b'2'):
        os.setxattr('attr', name, value)
    print('attributes', sorted(os.listxattr('attr')), os.getxattr('attr', 'user.bytes') == bytes(range(256)))
    print(error(os.setxattr, 'attr', 'user.one', b'2', os.XATTR_CREATE),
          error(os.setxattr, 'attr', 'user.none', b'2', os.XATTR_REPLACE), error(os.getxattr, 'attr', 'user.none'))
    os.removexattr('attr', 'user.one')
    os.setxattr('.', 'user.folder', b'f')
    print(os.listxattr('attr').count('user.one'), os.getxattr('.', 'user.folder'), error(os.removexattr, 'attr', 'user.one'))
    os.removexattr('.', 'user.folder')


def times():
    with open('times', 'w') as f:
        f.write('x')
    os.utime('times', ns=(1_000_000_000_123_456_000, 2_000_000_000_654_321_000))
    s = os.stat('times')
    print('times', s.st_atime_ns, s.st_mtime_ns)
    os.chmod('times', 0o640)
    print('mode', oct(os.stat('times').st_mode))
    before = os.stat('times').st_mtime_ns
    with open('times', 'a') as f:
        f.write('y')
    print('changed', os.stat('times').st_mtime_ns != before)


def appends():
    one = os.open('log', os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    two = os.open('log', os.O_WRONLY | os.O_APPEND)
    for i in range(10):
        os.write((one, two)[i % 2], b'%d' % i)
    with open('log', 'rb') as f:
        print('appended', f.read())
    os.close(one)
    os.close(two)


def digest():
    total = hashlib.sha256()
    for folder, folders, files in os.walk(b'.'):
        folders.sort()
        for name in sorted(files):
            path = os.path.join(folder, name)
            total.update(path + b'\0')
            total.update(os.readlink(path) if os.path.islink(path) else open(path, 'rb').read())
    print('tree', total.hexdigest()[:16])


os.chdir(sys.argv[1])
os.mkdir('checks')
os.chdir('checks')
for seed in range(2):
    operations(seed, int(sys.argv[2]))
renames()
unlinked()
locks()
sparse()
names(int(sys.argv[3]))
attributes()
times()
appends()
digest()
os.chdir('..')
shutil.rmtree('checks')
print('left', os.path.exists('checks'))
