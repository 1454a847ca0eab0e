# gdb-multiarch -batch -x session.gdb list      (after: hindsight debug list.hsr --gdb :1234)
set pagination off
set confirm off
target remote 127.0.0.1:1234
# 1. The recording is over. Where did the kernel tell a process of a bad access?
python kernel = lambda name: gdb.execute("monitor symbol " + name, to_string=True).split()[0]
python gdb.execute("break *" + kernel("force_sig_fault"))
reverse-continue
delete
monitor info harts
# 2. Breakpoints and watchpoints are for this process only from now on. Which fault was it, and at which instruction of the program?
monitor only current
python gdb.execute("break *" + kernel("handle_page_fault"))
reverse-continue
delete
break *$sepc
reverse-continue
delete
bt
# 3. The node it walked into is none. Which link led there?
p n
p *last
# 4. Who wrote that link? Back to the store.
watch -location last->next
reverse-continue
delete
bt
x/i $pc
monitor when
