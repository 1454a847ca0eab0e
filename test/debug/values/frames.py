# Dumps every frame's arguments and locals, as gdb shows them, where it is and some instructions later.
import gdb, json, re

def dump():
    when = gdb.execute("monitor when", to_string=True)
    instant = int(re.search(r"instant (\d+)", when).group(1))
    frames = []
    frame = gdb.newest_frame()
    while frame is not None and len(frames) < 30:
        frame.select()
        variables = []
        try:
            block = frame.block()
        except RuntimeError:
            block = None
        seen = {}
        for what in ("args", "locals"):
            for line in gdb.execute("info " + what, to_string=True).splitlines():
                m = re.match(r"(\w+) = (.*)", line)
                if m:
                    variables.append([m.group(1), m.group(2)])
        sal = frame.find_sal()
        frames.append({
            "name": frame.name(),
            "pc": frame.pc(),
            "line": sal.line,
            "sp": int(frame.read_register("sp")) & (2**64 - 1),
            "s1": int(frame.read_register("s1")) & (2**64 - 1),
            "variables": variables,
        })
        frame = frame.older()
    print("@@" + json.dumps({"instant": instant, "frames": frames}))

class Dump(gdb.Command):
    def __init__(self):
        super().__init__("dump-frames", gdb.COMMAND_USER)
    def invoke(self, argument, tty):
        for _ in range(int(argument or 1)):
            dump()
            gdb.newest_frame().select()
            gdb.execute("stepi", to_string=True)

class Values(gdb.Command):
    def __init__(self):
        super().__init__("dump-values", gdb.COMMAND_USER)
    def invoke(self, argument, tty):
        when = gdb.execute("monitor when", to_string=True)
        instant = int(re.search(r"instant (\d+)", when).group(1))
        values = []
        for text in argument.split(";"):
            try:
                out = gdb.execute("output " + text.strip(), to_string=True)
            except gdb.error as e:
                out = "error: " + str(e)
            values.append([text.strip(), out])
        print("@@" + json.dumps({"instant": instant, "values": values}))

Dump()
Values()
