set pagination off
set confirm off
target remote 127.0.0.1:1234
# 1. Run to the end of the recording: the program has given up.
continue
# 2. When did it notice? Back to the store that set `crashed`.
watch crashed
reverse-continue
delete
# 3. Which link is broken? (In a real session: look at n, and print around.)
python broken = [k for k in range(64) if int(gdb.parse_and_eval("(long)nodes[%d].next" % k)) == 0x1234][0]
# 4. Watch that link, and go back to the store that broke it.
python gdb.execute("watch nodes[%d].next" % broken)
reverse-continue
delete
x/i $pc
bt
info line *$pc
monitor when
