# Has git, make with gcc, sqlite and fio work in the directory that is the first argument. On every file system that is one, the output is the same.
set -e
cd "$1"
mkdir tools && cd tools
export HOME=$PWD GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_DATE='2026-01-01T00:00:00Z' GIT_COMMITTER_DATE='2026-01-01T00:00:00Z' TZ=UTC
git config --global user.name tester && git config --global user.email tester@example.org
git config --global init.defaultBranch main && git config --global gc.auto 0
git config --global color.ui never && git config --global core.pager cat

git init -q one && cd one
for i in 1 2 3 4 5 6 7 8; do
  mkdir -p "d$i" && seq "$((i * 100))" >"d$i/numbers"
done
ln -s d1/numbers link && printf '#!/bin/sh\n' >run && chmod +x run
git add . && git commit -qm first
git mv d1 moved && seq 7 >>d2/numbers && git commit -qam second
git checkout -qb side HEAD~ && seq 9 >side && git add side && git commit -qm side
git checkout -q main && git merge -q --no-edit side
cd .. && git clone -q one two && cd two
git fsck --no-progress --strict && git status --porcelain && git log --format='%h %s' && git ls-files -s | sha256sum
git repack -adq && git fsck --no-progress && git grep -c 77 -- moved
cd ..

mkdir build && cd build
cat >main.c <<'C'
#include <stdio.h>
int a(int), b(int);
int main(void) { printf("built %d\n", a(3) + b(4)); return 0; }
C
echo 'int a(int x) { return x * x; }' >a.c
echo 'int b(int x) { return x * x * x; }' >b.c
printf 'CFLAGS = -O1\nprogram: main.o a.o b.o\n\t$(CC) -o $@ $^\n' >Makefile
# A share's files have the host's times, which the guest's clock may not have reached: make says so.
exec 2>/dev/null
make -s -j2 && ./program
make -q && echo 'up to date'
sleep 1.1 && echo 'int b(int x) { return -x; }' >b.c && make -s && ./program
cd ..

for journal in delete wal; do
  sqlite3 "$journal.db" >/dev/null <<SQL
pragma journal_mode=$journal;
pragma synchronous=full;
create table t(id integer primary key, text);
insert into t(text) values('first');
begin;
with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000) insert into t(text) select hex(i * i) from n;
commit;
begin;
delete from t where id % 2;
rollback;
update t set text = text || 'x' where id % 3 = 0;
create index byText on t(text);
vacuum;
SQL
  sqlite3 "$journal.db" 'pragma integrity_check; select count(*), sum(length(text)) from t'
done

fio --name=verify --filename=fio.data --rw=randwrite --bsrange=512-16k --size=2m --ioengine=psync --fsync=32 --randrepeat=1 \
  --verify=crc32c --verify_fatal=1 --do_verify=1 --minimal >/dev/null && echo 'verified'
fio --name=mapped --filename=fio.data --rw=randrw --bs=4k --size=1m --ioengine=mmap --randrepeat=1 --verify=md5 --verify_fatal=1 --minimal \
  >/dev/null && echo 'verified by mapping'
cd .. && rm -r tools && echo 'left nothing'
