/*
 * The guest's end of the session channel: runs commands and file operations for the host, several at once.
 *
 *   agent PORT [ROOT]     PORT is a virtio console port (/dev/vport1p1), or - for standard input and output;
 *                         everything happens inside ROOT, if given
 *
 * It is one static program without a C library, so that it runs in any guest, also one whose disk holds nothing. The frames
 * are described in src/sandbox/frames.ts. Each request is a child process with pipes, so that a slow disk or a
 * blocked program delays no other request. Everything the agent holds is bounded: the host may send only as many bytes of
 * input as it was granted, and the agent reads a command's output only while the host has granted room.
 *
 * Source of the numbers: Linux include/uapi/asm-generic/{unistd,fcntl,poll,stat,ioctls,signal}.h, linux/{random,sched}.h.
 */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef long i64;

enum {
  SYS_DUP3 = 24, SYS_FCNTL = 25, SYS_IOCTL = 29, SYS_MKDIRAT = 34, SYS_UNLINKAT = 35, SYS_CHDIR = 49, SYS_CHROOT = 51,
  SYS_FCHMOD = 52, SYS_OPENAT = 56, SYS_CLOSE = 57, SYS_PIPE2 = 59, SYS_GETDENTS64 = 61, SYS_READ = 63, SYS_WRITE = 64,
  SYS_PPOLL = 73, SYS_SIGNALFD4 = 74, SYS_READLINKAT = 78, SYS_FSTATAT = 79, SYS_EXIT_GROUP = 94, SYS_CLOCK_SETTIME = 112,
  SYS_KILL = 129, SYS_SIGACTION = 134, SYS_SIGPROCMASK = 135, SYS_SETSID = 157, SYS_SETHOSTNAME = 161, SYS_MUNMAP = 215,
  SYS_CLONE = 220, SYS_EXECVE = 221, SYS_MMAP = 222, SYS_WAIT4 = 260, SYS_RENAMEAT2 = 276,
};
enum { ENOENT = 2, EINTR = 4, EIO = 5, EAGAIN = 11, EACCES = 13, EEXIST = 17, ENOTDIR = 20, EINVAL = 22, EPIPE = 32 };
enum { O_WRONLY = 1, O_RDWR = 2, O_CREAT = 0x40, O_NOCTTY = 0x100, O_TRUNC = 0x200, O_NONBLOCK = 0x800, O_DIRECTORY = 0x10000, O_CLOEXEC = 0x80000 };
enum { AT_CWD = -100, AT_NO_FOLLOW = 0x100, AT_REMOVEDIR = 0x200 };
enum { POLLIN = 1, POLLOUT = 4 };
enum { CLONE_VM = 0x100, CLONE_VFORK = 0x4000 };
enum { SIGKILL = 9, SIGPIPE = 13, SIGCHLD = 17 };
#define TIOCSPTLCK 0x40045431
#define TIOCGPTN 0x80045430
#define TIOCSCTTY 0x540e
#define TIOCSWINSZ 0x5414
#define RNDADDENTROPY 0x40085203
#define RNDRESEEDCRNG 0x5207

static inline i64 call(i64 n, i64 a, i64 b, i64 c, i64 d, i64 e, i64 f) {
  register i64 a7 __asm__("a7") = n, a0 __asm__("a0") = a, a1 __asm__("a1") = b, a2 __asm__("a2") = c;
  register i64 a3 __asm__("a3") = d, a4 __asm__("a4") = e, a5 __asm__("a5") = f;
  __asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5) : "memory");
  return a0;
}
#define sys(n, ...) sys_(n, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define sys_(n, a, b, c, d, e, f, ...) call(n, (i64)(a), (i64)(b), (i64)(c), (i64)(d), (i64)(e), (i64)(f))

/* The compiler calls these for large copies. */
void *memcpy(void *to, const void *from, u64 n) {
  u8 *t = to;
  const u8 *f = from;
  while (n--) *t++ = *f++;
  return to;
}
void *memset(void *to, int v, u64 n) {
  u8 *t = to;
  while (n--) *t++ = (u8)v;
  return to;
}
void *memmove(void *to, const void *from, u64 n) {
  u8 *t = to;
  const u8 *f = from;
  if (t <= f) return memcpy(to, from, n);
  while (n--) t[n] = f[n];
  return to;
}
static u64 length(const char *s) {
  u64 n = 0;
  while (s[n]) n++;
  return n;
}
static int same(const char *a, const char *b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}

/* Frames: length u32 (of what follows), type u8, id u32, payload. */
enum { HEADER = 9, LARGEST_PAYLOAD = 32768 };
enum { START = 1, STDIN = 2, STDIN_END = 3, SIGNAL = 4, GRANT = 5, RESIZE = 6, ENTROPY = 16, CLOCK = 17, HOSTNAME = 18, ATTACH = 19 };
enum { HELLO = 0x81, OUTPUT = 0x83, EXIT = 0x84, FAILED = 0x85, STDIN_GRANT = 0x86, DONE = 0x87 };
enum { OP_EXEC = 0, OP_READ = 1, OP_WRITE = 2, OP_LIST = 3, OP_STAT = 4, OP_MKDIR = 5, OP_REMOVE = 6, OP_RENAME = 7 };
enum { PROTOCOL = 1, NONCE = 16 };

enum { JOBS = 512, STDIN_ROOM = 65536, WORDS = 4096 };

struct job {
  u32 id;
  u8 used, pty, reaped, input_ended, detached;
  int pid;
  int in, out, err; /* our ends; -1 when closed */
  u8 *input;        /* a ring of STDIN_ROOM bytes, once there was some */
  u32 input_at, input_length;
  u32 granted[2]; /* bytes of output and error output that the host has room for */
  int report; /* where its error comes from, until it is reaped */
  int status;
};

static struct job jobs[JOBS];
static int port_in, port_out;
static u8 frame[HEADER + LARGEST_PAYLOAD];
static u8 received[2 * (HEADER + LARGEST_PAYLOAD)];
static u32 received_length;
static char *words[WORDS + 2];

static u32 get32(const u8 *p) { return p[0] | p[1] << 8 | p[2] << 16 | (u32)p[3] << 24; }
static u32 get16(const u8 *p) { return p[0] | p[1] << 8; }
static void put32(u8 *p, u32 v) { p[0] = v; p[1] = v >> 8; p[2] = v >> 16; p[3] = v >> 24; }
static void put64(u8 *p, u64 v) { put32(p, v); put32(p + 4, v >> 32); }

static void write_all(int fd, const u8 *bytes, u64 n) {
  while (n > 0) {
    i64 done = sys(SYS_WRITE, fd, bytes, n);
    if (done == -EINTR || done == -EAGAIN) continue;
    if (done <= 0) return;
    bytes += done;
    n -= done;
  }
}

/* Sends a frame whose payload lies in `frame` already, behind the header. */
static void send(u8 type, u32 id, u32 n) {
  put32(frame, 5 + n);
  frame[4] = type;
  put32(frame + 5, id);
  write_all(port_out, frame, HEADER + n);
}

static void send32(u8 type, u32 id, u32 value) {
  put32(frame + HEADER, value);
  send(type, id, 4);
}

/* ---- what a child does */

struct stat {
  u64 dev, ino;
  u32 mode, links, uid, gid;
  u64 rdev, pad1;
  i64 size;
  int block_size, pad2;
  i64 blocks, atime, atime_ns, mtime, mtime_ns, ctime, ctime_ns;
  u32 pad3[2];
};

/* A directory entry or a file's description: mode u32, uid u32, gid u32, size u64, mtime in ns u64, name length u16, name,
   length of a symbolic link's target u16, target. */
static int describe(int dir, const char *path, const char *name) {
  static u8 out[8192];
  struct stat st;
  i64 e = sys(SYS_FSTATAT, dir, path, &st, AT_NO_FOLLOW);
  if (e < 0) return -e;
  u64 n = length(name);
  put32(out, st.mode);
  put32(out + 4, st.uid);
  put32(out + 8, st.gid);
  put64(out + 12, st.size);
  put64(out + 20, st.mtime * 1000000000 + st.mtime_ns);
  out[28] = n;
  out[29] = n >> 8;
  memcpy(out + 30, name, n);
  i64 target = (st.mode & 0170000) == 0120000 ? sys(SYS_READLINKAT, dir, path, out + 32 + n, 4096) : 0;
  if (target < 0) target = 0;
  out[30 + n] = target;
  out[31 + n] = target >> 8;
  write_all(1, out, 32 + n + target);
  return 0;
}

struct entry {
  u64 ino, off;
  u16 length;
  u8 type;
  char name[];
};

static int each_entry(int dir, int (*act)(int dir, const char *name)) {
  u8 buffer[16384] __attribute__((aligned(8)));
  for (;;) {
    i64 n = sys(SYS_GETDENTS64, dir, buffer, sizeof buffer);
    if (n < 0) return -n;
    if (n == 0) return 0;
    for (i64 at = 0; at < n;) {
      struct entry *e = (struct entry *)(buffer + at);
      at += e->length;
      if (same(e->name, ".") || same(e->name, "..")) continue;
      int error = act(dir, e->name);
      if (error) return error;
    }
  }
}

/* An entry that was removed while the folder was read is no error. */
static int list_entry(int dir, const char *name) {
  int e = describe(dir, name, name);
  return e == ENOENT ? 0 : e;
}

static int remove_at(int dir, const char *name);
static int remove_tree(int dir, const char *name) {
  int fd = sys(SYS_OPENAT, dir, name, O_DIRECTORY | O_CLOEXEC | 0x20000 /* O_NOFOLLOW */);
  if (fd < 0) return -fd;
  int e = each_entry(fd, remove_at);
  sys(SYS_CLOSE, fd);
  return e ? e : -(int)sys(SYS_UNLINKAT, dir, name, AT_REMOVEDIR);
}
static int remove_at(int dir, const char *name) {
  struct stat st;
  i64 e = sys(SYS_FSTATAT, dir, name, &st, AT_NO_FOLLOW);
  if (e < 0) return -e;
  if ((st.mode & 0170000) == 0040000) return remove_tree(dir, name);
  return -(int)sys(SYS_UNLINKAT, dir, name, 0);
}

static int make_folders(char *path, u32 mode) {
  for (char *p = path + 1; *p; p++) {
    if (*p != '/') continue;
    *p = 0;
    i64 e = sys(SYS_MKDIRAT, AT_CWD, path, 0777);
    *p = '/';
    if (e < 0 && e != -EEXIST) return -e;
  }
  i64 e = sys(SYS_MKDIRAT, AT_CWD, path, mode);
  if (e != -EEXIST) return -e;
  struct stat st;
  e = sys(SYS_FSTATAT, AT_CWD, path, &st, 0);
  return e < 0 ? -e : (st.mode & 0170000) == 0040000 ? 0 : EEXIST;
}

static int copy(int from, int to) {
  static u8 buffer[65536];
  for (;;) {
    i64 n = sys(SYS_READ, from, buffer, sizeof buffer);
    if (n == -EINTR) continue;
    if (n <= 0) return -n;
    for (i64 at = 0; at < n;) {
      i64 done = sys(SYS_WRITE, to, buffer + at, n - at);
      if (done == -EINTR) continue;
      if (done < 0) return -done;
      at += done;
    }
  }
}

static u32 octal(const char *s) {
  u32 v = 0;
  while (*s >= '0' && *s <= '7') v = v * 8 + (*s++ - '0');
  return v;
}

static int file_operation(u8 op, u32 count) {
  if (count < (op == OP_WRITE || op == OP_MKDIR || op == OP_RENAME ? 2 : 1)) return EINVAL;
  char *path = words[0];
  switch (op) {
    case OP_READ: {
      int fd = sys(SYS_OPENAT, AT_CWD, path, O_CLOEXEC);
      return fd < 0 ? -fd : copy(fd, 1);
    }
    case OP_WRITE: {
      int fd = sys(SYS_OPENAT, AT_CWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
      if (fd < 0) return -fd;
      int e = copy(0, fd);
      if (!e && words[1][0]) e = -(int)sys(SYS_FCHMOD, fd, octal(words[1]));
      return e;
    }
    case OP_LIST: {
      int fd = sys(SYS_OPENAT, AT_CWD, path, O_DIRECTORY | O_CLOEXEC);
      return fd < 0 ? -fd : each_entry(fd, list_entry);
    }
    case OP_STAT: return describe(AT_CWD, path, path);
    case OP_MKDIR: return make_folders(path, octal(words[1]));
    case OP_REMOVE: return remove_at(AT_CWD, path);
    case OP_RENAME: return -(int)sys(SYS_RENAMEAT2, AT_CWD, path, AT_CWD, words[1], 0);
  }
  return EINVAL;
}

/* execvp(3): a name without a slash is looked for in the folders of PATH. @returns why it failed */
static int execute(char **argv, char **envp) {
  char *name = argv[0];
  for (char *p = name; *p; p++)
    if (*p == '/') return -(int)sys(SYS_EXECVE, name, argv, envp);
  const char *path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  for (char **e = envp; *e; e++)
    if ((*e)[0] == 'P' && (*e)[1] == 'A' && (*e)[2] == 'T' && (*e)[3] == 'H' && (*e)[4] == '=') path = *e + 5;
  static char full[4352];
  int error = ENOENT;
  u64 n = length(name);
  if (n > 255) return ENOENT;
  while (1) {
    u64 at = 0;
    while (*path && *path != ':' && at < 4000) full[at++] = *path++;
    if (at) full[at++] = '/';
    memcpy(full + at, name, n + 1);
    int e = -(int)sys(SYS_EXECVE, full, argv, envp);
    if (e != ENOENT && e != ENOTDIR) error = e;
    if (e != ENOENT && e != ENOTDIR && e != EACCES) return e;
    while (*path && *path != ':') path++;
    if (!*path++) return error;
  }
}

struct size {
  u16 rows, columns, x, y;
};

static int open_pty(int *slave, u32 columns, u32 rows) {
  int master = sys(SYS_OPENAT, AT_CWD, "/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (master < 0) return master;
  int unlock = 0, number = 0;
  sys(SYS_IOCTL, master, TIOCSPTLCK, &unlock);
  sys(SYS_IOCTL, master, TIOCGPTN, &number);
  char name[32] = "/dev/pts/";
  char digits[12];
  int n = 0, at = 9;
  do digits[n++] = '0' + number % 10;
  while ((number /= 10) > 0);
  while (n > 0) name[at++] = digits[--n];
  name[at] = 0;
  *slave = sys(SYS_OPENAT, AT_CWD, name, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (*slave < 0) {
    sys(SYS_CLOSE, master);
    return *slave;
  }
  struct size size = {rows, columns, 0, 0};
  sys(SYS_IOCTL, master, TIOCSWINSZ, &size);
  return master;
}

/* ---- jobs */

static struct job *find(u32 id) {
  for (int i = 0; i < JOBS; i++)
    if (jobs[i].used && !jobs[i].detached && jobs[i].id == id) return &jobs[i];
  return 0;
}

static void shut(int *fd) {
  if (*fd >= 0) sys(SYS_CLOSE, *fd);
  *fd = -1;
}

static void close_input(struct job *job) {
  if (!job->pty) shut(&job->in);
  else job->in = -1;
}

static void hello(const u8 *nonce) {
  put32(frame + HEADER, PROTOCOL);
  memcpy(frame + HEADER + 4, nonce, NONCE);
  send(HELLO, 0, 4 + NONCE);
}

static void failed(u32 id, int error) { send32(FAILED, id, error); }

/* Splits `count` words out of the payload into `words` from `first` on. @returns where the next field begins, 0 when it is malformed */
static const u8 *take_words(const u8 *p, const u8 *end, u32 first, u32 *count) {
  if (p + 2 > end) return 0;
  *count = get16(p);
  p += 2;
  if (first + *count > WORDS) return 0;
  for (u32 i = 0; i < *count; i++) {
    words[first + i] = (char *)p;
    while (p < end && *p) p++;
    if (p++ >= end) return 0;
  }
  words[first + *count] = 0;
  return p;
}

/* START: op u8, flags u8 (1: on a terminal), columns u16, rows u16, folder NUL, count u16 and arguments, count u16 and environment */
static void start(u32 id, const u8 *p, u32 n) {
  const u8 *end = p + n;
  struct job *job = 0;
  u32 argc, envc;
  if (find(id) || n < 9) return failed(id, EINVAL);
  for (int i = 0; i < JOBS && !job; i++)
    if (!jobs[i].used) job = &jobs[i];
  if (!job) return failed(id, EAGAIN);
  u8 op = p[0], pty = p[1] & 1;
  u32 columns = get16(p + 2), rows = get16(p + 4);
  const char *folder = (const char *)(p += 6);
  while (p < end && *p) p++;
  if (p++ >= end || !(p = take_words(p, end, 0, &argc)) || argc == 0) return failed(id, EINVAL);
  char **envp = words + argc + 1;
  if (!take_words(p, end, argc + 1, &envc)) return failed(id, EINVAL);

  int in[2] = {-1, -1}, out[2] = {-1, -1}, err[2] = {-1, -1}, report[2];
  int e = sys(SYS_PIPE2, report, O_CLOEXEC);
  if (e == 0 && pty) {
    e = open_pty(&in[0], columns, rows);
    in[1] = out[0] = e;
    e = e < 0 ? e : 0;
  } else if (e == 0) {
    e = sys(SYS_PIPE2, in, O_CLOEXEC);
    if (e == 0) e = sys(SYS_PIPE2, out, O_CLOEXEC);
    if (e == 0) e = sys(SYS_PIPE2, err, O_CLOEXEC);
  }
  /* As vfork(2) has it, a child that is to execute another program shares the agent's memory until it does: it changes nothing of it that
     the agent uses afterwards, and saves copying page tables and pages. */
  i64 pid = e == 0 ? sys(SYS_CLONE, op == OP_EXEC ? CLONE_VM | CLONE_VFORK | SIGCHLD : SIGCHLD, 0, 0, 0, 0) : e;
  if (pid == 0) {
    /* The child: undoes what the agent did with its signals, then becomes what was asked for. */
    u64 none = 0;
    if (op != OP_EXEC) {
      /* An operation on files executes nothing, so O_CLOEXEC does not close what belongs to other jobs, nor the agent's ends. */
      for (int i = 0; i < JOBS; i++) {
        if (!jobs[i].used) continue;
        shut(&jobs[i].in);
        shut(&jobs[i].out);
        shut(&jobs[i].err);
      }
      if (!pty) {
        shut(&in[1]);
        shut(&out[0]);
        shut(&err[0]);
      }
    }
    sys(SYS_SETSID);
    if (pty) sys(SYS_IOCTL, in[0], TIOCSCTTY, 0);
    sys(SYS_DUP3, in[0], 0, 0);
    sys(SYS_DUP3, pty ? in[0] : out[1], 1, 0);
    sys(SYS_DUP3, pty ? in[0] : err[1], 2, 0);
    struct { u64 handler, flags, mask; } standard = {0, 0, 0};
    sys(SYS_SIGACTION, SIGPIPE, &standard, 0, 8);
    sys(SYS_SIGPROCMASK, 2, &none, 0, 8);
    int error = -(int)sys(SYS_CHDIR, folder);
    if (!error) {
      if (op != OP_EXEC) error = file_operation(op, argc);
      else error = execute(words, envp);
      if (op != OP_EXEC && !error) sys(SYS_EXIT_GROUP, 0);
    }
    sys(SYS_WRITE, report[1], &error, 4);
    sys(SYS_EXIT_GROUP, 127);
  }
  shut(&report[1]);
  shut(&in[0]);
  shut(&out[1]);
  shut(&err[1]);
  if (pid < 0) {
    shut(&report[0]);
    shut(&in[1]);
    if (!pty) shut(&out[0]);
    shut(&err[0]);
    return failed(id, -pid);
  }
  *job = (struct job){.id = id, .used = 1, .pty = pty, .pid = pid, .in = in[1], .out = out[0], .err = err[0], .report = report[0]};
  if (in[1] >= 0) sys(SYS_FCNTL, in[1], 4, O_NONBLOCK);
  if (out[0] >= 0 && !pty) sys(SYS_FCNTL, out[0], 4, O_NONBLOCK);
  if (err[0] >= 0) sys(SYS_FCNTL, err[0], 4, O_NONBLOCK);
  /* One byte stays free for a terminal's end of input. */
  send32(STDIN_GRANT, id, STDIN_ROOM - 1);
}

/* Passes on one piece of output. @returns whether there may be more at once */
static int pump_output(struct job *job, int stream) {
  int *fd = stream == 0 ? &job->out : &job->err;
  u32 room = job->granted[stream];
  if (*fd < 0 || room == 0) return 0;
  if (room > LARGEST_PAYLOAD - 1) room = LARGEST_PAYLOAD - 1;
  i64 n = sys(SYS_READ, *fd, frame + HEADER + 1, room);
  if (n == -EAGAIN || n == -EINTR) return 0;
  if (n <= 0) {
    if (job->pty) job->in = -1;
    shut(fd);
    return 0;
  }
  if (job->detached) return 1;
  job->granted[stream] -= n;
  frame[HEADER] = stream;
  send(OUTPUT, job->id, n + 1);
  return 1;
}

/* Hands input to the command, and tells the host of the room that came free. */
static void pump_input(struct job *job) {
  u32 freed = 0;
  while (job->input_length > 0) {
    u32 piece = STDIN_ROOM - job->input_at;
    if (piece > job->input_length) piece = job->input_length;
    /* What nobody will read any more is dropped, so that the host does not wait for room. */
    i64 n = job->in < 0 ? piece : sys(SYS_WRITE, job->in, job->input + job->input_at, piece);
    if (n == -EAGAIN || n == -EINTR) break;
    if (n < 0) {
      close_input(job);
      continue;
    }
    job->input_at = (job->input_at + n) % STDIN_ROOM;
    job->input_length -= n;
    freed += n;
  }
  if (job->input_length == 0 && job->input_ended && job->in >= 0) {
    close_input(job);
  }
  if (freed > 0 && !job->detached) send32(STDIN_GRANT, job->id, freed);
}

/* A command is over when it was reaped and what it printed has been passed on; processes it left behind are not waited for. */
static void finish(struct job *job) {
  if (!job->reaped) return;
  for (int stream = 0; stream < 2; stream++) {
    while (pump_output(job, stream)) {}
    if ((stream == 0 ? job->out : job->err) >= 0 && job->granted[stream] == 0) return;
  }
  shut(&job->out);
  shut(&job->err);
  if (!job->pty) shut(&job->in);
  if (job->input) sys(SYS_MUNMAP, job->input, STDIN_ROOM);
  job->used = 0;
  if (job->detached) return;
  if (job->status < 0) failed(job->id, -job->status);
  else {
    frame[HEADER] = job->status & 127;
    frame[HEADER + 1] = (job->status >> 8) & 255;
    send(EXIT, job->id, 2);
  }
}

static void reap(void) {
  int status;
  i64 pid;
  while ((pid = sys(SYS_WAIT4, -1, &status, 1, 0)) > 0) {
    for (int i = 0; i < JOBS; i++) {
      struct job *job = &jobs[i];
      if (!job->used || job->reaped || job->pid != pid) continue;
      int error = 0;
      i64 n = sys(SYS_READ, job->report, &error, 4);
      shut(&job->report);
      job->status = n == 4 ? -error : status;
      job->reaped = 1;
    }
  }
}

static void take_stdin(struct job *job, const u8 *p, u32 n) {
  if (job->input_length + n > STDIN_ROOM) return failed(job->id, EINVAL);
  if (!job->input) {
    i64 ring = sys(SYS_MMAP, 0, STDIN_ROOM, 3, 0x22, -1, 0);
    if (ring < 0 && ring > -4096) return failed(job->id, -ring);
    job->input = (u8 *)ring;
  }
  for (u32 i = 0; i < n; i++) job->input[(job->input_at + job->input_length + i) % STDIN_ROOM] = p[i];
  job->input_length += n;
}

/* New randomness for the kernel's pool, in effect at once (random(4)). */
static int add_entropy(const u8 *p, u32 n) {
  static struct { int bits, size; u8 bytes[512]; } pool;
  int fd = sys(SYS_OPENAT, AT_CWD, "/dev/urandom", O_RDWR | O_CLOEXEC);
  if (fd < 0) return -fd;
  if (n > sizeof pool.bytes) n = sizeof pool.bytes;
  pool.bits = n * 8;
  pool.size = n;
  memcpy(pool.bytes, p, n);
  i64 e = sys(SYS_IOCTL, fd, RNDADDENTROPY, &pool);
  if (e == 0) e = sys(SYS_IOCTL, fd, RNDRESEEDCRNG, 0);
  sys(SYS_CLOSE, fd);
  return -e;
}

static int set_clock(const u8 *p, u32 n) {
  if (n < 8) return EINVAL;
  u64 ns = get32(p) | (u64)get32(p + 4) << 32;
  u64 time[2] = {ns / 1000000000, ns % 1000000000};
  return -(int)sys(SYS_CLOCK_SETTIME, 0, time);
}

/*
 * A host that does not know what came before: a machine that was restored, forked or rewound. Commands that run go on
 * without it: what they print is dropped, what they read ends.
 */
static void attach(const u8 *nonce) {
  for (int i = 0; i < JOBS; i++) {
    struct job *job = &jobs[i];
    if (!job->used) continue;
    job->detached = job->input_ended = 1;
    job->granted[0] = job->granted[1] = -1;
  }
  hello(nonce);
}

static void obey(u8 type, u32 id, u8 *p, u32 n) {
  struct job *job = find(id);
  switch (type) {
    case START: return start(id, p, n);
    case ENTROPY: return send32(DONE, id, add_entropy(p, n));
    case CLOCK: return send32(DONE, id, set_clock(p, n));
    case HOSTNAME: return send32(DONE, id, -(int)sys(SYS_SETHOSTNAME, p, n));
    case ATTACH:
      if (n == NONCE) attach(p);
      return;
  }
  if (!job) return; /* it has ended meanwhile */
  switch (type) {
    case STDIN: take_stdin(job, p, n); break;
    case STDIN_END:
      if (job->pty && !job->input_ended) take_stdin(job, (const u8 *)"\4", 1);
      job->input_ended = 1;
      break;
    case SIGNAL:
      /* A child that has not reached setsid() yet has no group of its own. */
      if (n >= 1 && !job->reaped && sys(SYS_KILL, -job->pid, p[0]) < 0) sys(SYS_KILL, job->pid, p[0]);
      break;
    case GRANT:
      if (n >= 5 && p[0] < 2) job->granted[p[0]] += get32(p + 1);
      break;
    case RESIZE:
      if (n >= 4 && job->pty && job->out >= 0) {
        struct size size = {get16(p + 2), get16(p), 0, 0};
        sys(SYS_IOCTL, job->out, TIOCSWINSZ, &size);
      }
      break;
  }
}

/* Takes what came and obeys every whole frame. @returns false when the host has closed the port */
static int receive(void) {
  i64 n = sys(SYS_READ, port_in, received + received_length, sizeof received - received_length);
  if (n == -EAGAIN || n == -EINTR) return 1;
  if (n <= 0) return 0;
  received_length += n;
  u32 at = 0;
  while (received_length - at >= 4) {
    u32 size = get32(received + at);
    if (size < 5 || size > 5 + LARGEST_PAYLOAD) return 0;
    if (received_length - at < 4 + size) break;
    obey(received[at + 4], get32(received + at + 5), received + at + HEADER, size - 5);
    at += 4 + size;
  }
  memmove(received, received + at, received_length - at);
  received_length -= at;
  return 1;
}

struct poll {
  int fd;
  u16 events, revents;
};

static struct poll polls[2 + 3 * JOBS];

static int serve(int children) {
  for (;;) {
    int count = 2;
    polls[0] = (struct poll){port_in, POLLIN, 0};
    polls[1] = (struct poll){children, POLLIN, 0};
    for (int i = 0; i < JOBS; i++) {
      struct job *job = &jobs[i];
      if (!job->used) continue;
      if (job->in >= 0 && job->input_length > 0) polls[count++] = (struct poll){job->in, POLLOUT, 0};
      if (job->out >= 0 && job->granted[0] > 0) polls[count++] = (struct poll){job->out, POLLIN, 0};
      if (job->err >= 0 && job->granted[1] > 0) polls[count++] = (struct poll){job->err, POLLIN, 0};
    }
    sys(SYS_PPOLL, polls, count, 0, 0, 8);
    if (polls[0].revents && !receive()) return 0;
    if (polls[1].revents) {
      static u8 information[128];
      sys(SYS_READ, children, information, sizeof information);
      reap();
    }
    for (int i = 0; i < JOBS; i++) {
      struct job *job = &jobs[i];
      if (!job->used) continue;
      pump_input(job);
      /* A terminal's master blocks: it is read when there is something. */
      for (int p = 2; p < count; p++) {
        if (!polls[p].revents) continue;
        if (polls[p].fd == job->out && polls[p].events == POLLIN) pump_output(job, 0);
        else if (polls[p].fd == job->err) pump_output(job, 1);
      }
      finish(job);
    }
  }
}

int run(i64 *stack) {
  i64 argc = stack[0];
  char **argv = (char **)(stack + 1);
  if (argc < 2) return 2;
  struct { u64 handler, flags, mask; } ignore = {1, 0, 0};
  u64 chld = 1UL << (SIGCHLD - 1);
  sys(SYS_SIGACTION, SIGPIPE, &ignore, 0, 8);
  sys(SYS_SIGPROCMASK, 0, &chld, 0, 8);
  int children = sys(SYS_SIGNALFD4, -1, &chld, 8, O_CLOEXEC);
  if (same(argv[1], "-")) port_out = 1;
  else port_in = port_out = sys(SYS_OPENAT, AT_CWD, argv[1], O_RDWR | O_CLOEXEC | O_NOCTTY);
  if (port_in < 0 || children < 0) return 1;
  if (argc > 2 && (sys(SYS_CHROOT, argv[2]) < 0 || sys(SYS_CHDIR, "/") < 0)) return 1;
  return serve(children);
}

__asm__(".globl _start\n_start:\n.option push\n.option norelax\nlla gp, __global_pointer$\n.option pop\nmv a0, sp\nandi sp, sp, -16\ncall run\nli a7, 94\necall\n");
