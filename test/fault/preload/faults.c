/*
 * Faults in system calls: an LD_PRELOAD library that stands between Node (libuv, and worker threads) and libc.
 *
 * Which calls: those that libuv makes for files (`nm -D --undefined-only node`), when their path lies under a prefix; a
 * descriptor's path is the one it was opened with. Not stood in front of: stat and readdir, which libuv reaches by other ways,
 * and the sockets of the directory lock, which it names through /proc/self/fd. io_uring has to be off: UV_USE_IO_URING=0.
 *
 *     LOGWEIR_FAULT_PREFIX  the directory
 *     LOGWEIR_FAULT_PLAN    rules, separated by `;`: KIND[/PART]@K[+]=ACTION[:MS]
 *         KIND    open close read write fsync fdatasync ftruncate rename unlink mkdir rmdir link, `any` of these,
 *                 `change` for those that change something, `sync` for fsync and fdatasync
 *         PART    the path has to hold it
 *         K       of the calls that match the rule, counted from 1; with `+` all after it as well
 *         ACTION  an errno (EIO), short (half of a write is done), delay:MS, stuck (until the gate is gone), kill-before,
 *                 kill-before:MS (later), kill-after (SIGKILL, all of them), lose (EIO; and what the descriptor wrote
 *                 since it was synced is zeroed, as after the kernel dropped the pages)
 *     LOGWEIR_FAULT_GATE    a file: rules count and act only while it exists; without the variable always
 *     LOGWEIR_FAULT_LOG     where each matching call is appended when it is over, fields separated by tabs:
 *         pid number began kind fd offset length result errno action path path2
 *         `number` counts the calls as they end, `began` is how many had ended when this one began; length is the size that
 *         was asked for, the flags of an open, the new size of an ftruncate
 *     LOGWEIR_FAULT_DATA    1: the bytes that a write wrote follow its record, and a newline
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "rules.h"

/* An open descriptor under the prefix, and the range that it wrote since it was synced. */
struct file { char *path; off_t from, to; };

#define FILES_MAX 65536
static struct file files[FILES_MAX];
static int log_fd = -1, log_data;
static const char *prefix, *gate;
static long ended;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/*
 * Held from before a call is done until it stands in the log: no kill of ours comes in between, and calls that give or take
 * names and descriptors stand there in the order in which they were done. The others share it.
 */
static pthread_rwlock_t under_way = PTHREAD_RWLOCK_INITIALIZER;
#define SHARED (SYNCS | 1u << READ | 1u << WRITE)

#define REAL(name) ((__typeof__(&name))real(#name))
static void *real(const char *name) {
  void *symbol = dlsym(RTLD_NEXT, name);
  if (symbol == NULL) abort();
  return symbol;
}

__attribute__((constructor)) static void start(void) {
  prefix = getenv("LOGWEIR_FAULT_PREFIX");
  gate = getenv("LOGWEIR_FAULT_GATE");
  log_data = getenv("LOGWEIR_FAULT_DATA") != NULL;
  const char *log_path = getenv("LOGWEIR_FAULT_LOG");
  if (log_path != NULL) {
    log_fd = REAL(open64)(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log_fd < 0) refuse(log_path);
  }
  char *plan = strdup(getenv("LOGWEIR_FAULT_PLAN") ? getenv("LOGWEIR_FAULT_PLAN") : ""), *rest = plan;
  for (char *rule = strsep(&rest, ";"); rule != NULL; rule = strsep(&rest, ";")) if (*rule != 0) parse_rule(rule);
  free(plan);
}

static int under_prefix(const char *path) {
  if (prefix == NULL || path == NULL) return 0;
  size_t length = strlen(prefix);
  return strncmp(path, prefix, length) == 0 && (path[length] == '/' || path[length] == 0);
}

/* Only the thread that uses a descriptor reads its entry: it was made before open returned, and goes when close is called. */
static const char *path_of(int fd) { return fd >= 0 && fd < FILES_MAX ? files[fd].path : NULL; }

static int gate_is_there(void) { return gate == NULL || access(gate, F_OK) == 0; }

/* The log's record of a call that is over, and of what it means for a later `lose`. */
static void note(const struct call *call, long result, int error, const void *data) {
  pthread_mutex_lock(&lock);
  if (log_fd >= 0) {
    long number = ++ended;
    int with_data = log_data && call->kind == WRITE && result > 0;
    char line[9000];
    int length = snprintf(line, sizeof line, "%d\t%ld\t%ld\t%s\t%d\t%lld\t%ld\t%ld\t%d\t%s\t%s\t%s\n", getpid(), number,
                          call->began, KIND_NAMES[call->kind], call->fd, (long long)call->offset, call->length, result,
                          error, call->action < 0 ? "" : ACTIONS[call->action].name, call->path,
                          call->path2 == NULL ? "" : call->path2);
    struct iovec parts[] = { { line, (size_t)length }, { (void *)data, with_data ? (size_t)result : 0 }, { "\n", with_data } };
    ssize_t logged = REAL(writev)(log_fd, parts, 3);
    (void)logged;
  }
  if (call->kind == WRITE && result > 0) {
    struct file *file = &files[call->fd];
    if (file->to == 0 || call->offset < file->from) file->from = call->offset;
    if (call->offset + result > file->to) file->to = call->offset + result;
  }
  if ((1u << call->kind & SYNCS) && result == 0) files[call->fd].to = 0;
  pthread_mutex_unlock(&lock);
}

static void die(void) {
  pthread_rwlock_wrlock(&under_way);
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

/* Zeroes what was written since the last sync that succeeded. */
static void lose_unsynced(int fd) {
  char zeros[4096] = { 0 };
  for (off_t at = files[fd].from; at < files[fd].to; at += (off_t)sizeof zeros) {
    off_t left = files[fd].to - at;
    if (REAL(pwrite64)(fd, zeros, left < (off_t)sizeof zeros ? (size_t)left : sizeof zeros, at) < 0) abort();
  }
  files[fd].to = 0;
}

static void choose(struct call *call) {
  call->action = -1;
  int in_force = gate_is_there();
  pthread_mutex_lock(&lock);
  call->began = ended;
  if (in_force) choose_rule(call);
  pthread_mutex_unlock(&lock);
}

/* Returns the errno that the call is to fail with, or 0 when it is to be done. */
static int meet(struct call *call) {
  if (call->action < 0) return 0;
  switch (ACTIONS[call->action].action) {
    case DELAY: usleep((useconds_t)call->ms * 1000); return 0;
    case STUCK: while (gate_is_there()) usleep(10000); return 0;
    case KILL_BEFORE: usleep((useconds_t)call->ms * 1000); note(call, -1, 0, NULL); die(); return 0;
    case LOSE: if (1u << call->kind & SYNCS) lose_unsynced(call->fd); return EIO;
    default: return ACTIONS[call->action].error;
  }
}

static int begin(struct call *call) {
  choose(call);
  int refused = meet(call);
  if (1u << call->kind & SHARED) pthread_rwlock_rdlock(&under_way);
  else pthread_rwlock_wrlock(&under_way);
  return refused;
}

static long end(const struct call *call, long result, const void *data) {
  int error = result < 0 ? errno : 0;
  note(call, result, error, data);
  pthread_rwlock_unlock(&under_way);
  if (call->action >= 0 && ACTIONS[call->action].action == KILL_AFTER) die();
  errno = error;
  return result;
}

/* The whole of one call: REALLY is what does it. `call` may be looked at there. */
#define DO(DATA, REALLY, ...)                                                                                           \
  struct call call = { __VA_ARGS__ };                                                                                   \
  int refused = begin(&call);                                                                                           \
  errno = refused;                                                                                                      \
  long result = refused ? -1 : (long)(REALLY);                                                                          \
  return end(&call, result, DATA)

static long opened(const struct call *call, long fd) {
  if (fd >= 0 && fd < FILES_MAX) files[fd] = (struct file){ .path = strdup(call->path) };
  return fd;
}
static long do_open(const char *path, int flags, mode_t mode) {
  DO(NULL, opened(&call, REAL(open64)(path, flags, mode)), .kind = OPEN, .fd = -1, .path = path, .length = flags);
}
#define OPENS(NAME)                                                                                                     \
  int NAME(const char *path, int flags, ...) {                                                                          \
    va_list arguments;                                                                                                  \
    va_start(arguments, flags);                                                                                         \
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;                                                      \
    va_end(arguments);                                                                                                  \
    return under_prefix(path) ? (int)do_open(path, flags, mode) : REAL(NAME)(path, flags, mode);                        \
  }
OPENS(open)
OPENS(open64)

/* A close that fails has closed all the same. */
int close(int fd) {
  char *path = (char *)path_of(fd);
  if (path == NULL) return REAL(close)(fd);
  struct call call = { .kind = CLOSE, .fd = fd, .path = path };
  int refused = begin(&call);
  files[fd].path = NULL;
  long result = REAL(close)(fd);
  errno = refused;
  int status = (int)end(&call, refused ? -1 : result, NULL);
  free(path);
  return status;
}

/* libuv closes by number, since glibc's close is a cancellation point. */
long syscall(long number, ...) {
  long a[6];
  va_list arguments;
  va_start(arguments, number);
  for (int at = 0; at < 6; at++) a[at] = va_arg(arguments, long);
  va_end(arguments);
  return number == SYS_close ? close((int)a[0]) : REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static size_t shortened(const struct call *call, size_t size) {
  return call->action >= 0 && ACTIONS[call->action].action == SHORT ? size / 2 : size;
}
static long do_write(int fd, const void *data, size_t size, off_t offset) {
  DO(data, REAL(pwrite64)(fd, data, shortened(&call, size), offset), .kind = WRITE, .fd = fd, .path = path_of(fd),
     .offset = offset, .length = (long)size);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset) {
  return path_of(fd) ? do_write(fd, data, size, offset) : REAL(pwrite64)(fd, data, size, offset);
}
ssize_t write(int fd, const void *data, size_t size) {
  if (path_of(fd) == NULL) return REAL(write)(fd, data, size);
  off_t offset = lseek(fd, 0, SEEK_CUR);
  ssize_t written = do_write(fd, data, size, offset);
  if (written > 0) lseek(fd, offset + written, SEEK_SET);
  return written;
}

static long do_read(int fd, void *data, size_t size, off_t offset) {
  DO(NULL, offset < 0 ? REAL(read)(fd, data, size) : REAL(pread64)(fd, data, size, offset), .kind = READ, .fd = fd,
     .path = path_of(fd), .offset = offset, .length = (long)size);
}
ssize_t pread64(int fd, void *data, size_t size, off_t offset) {
  return path_of(fd) ? do_read(fd, data, size, offset) : REAL(pread64)(fd, data, size, offset);
}
ssize_t read(int fd, void *data, size_t size) {
  return path_of(fd) ? do_read(fd, data, size, -1) : REAL(read)(fd, data, size);
}

static int do_fsync(int fd) { DO(NULL, REAL(fsync)(fd), .kind = FSYNC, .fd = fd, .path = path_of(fd)); }
int fsync(int fd) { return path_of(fd) ? do_fsync(fd) : REAL(fsync)(fd); }
static int do_fdatasync(int fd) { DO(NULL, REAL(fdatasync)(fd), .kind = FDATASYNC, .fd = fd, .path = path_of(fd)); }
int fdatasync(int fd) { return path_of(fd) ? do_fdatasync(fd) : REAL(fdatasync)(fd); }
static int do_ftruncate(int fd, off_t size) {
  DO(NULL, REAL(ftruncate64)(fd, size), .kind = FTRUNCATE, .fd = fd, .path = path_of(fd), .length = size);
}
int ftruncate64(int fd, off_t size) { return path_of(fd) ? do_ftruncate(fd, size) : REAL(ftruncate64)(fd, size); }

#define ON_PATH(NAME, KIND, ARGUMENTS, ...)                                                                             \
  static int do_##NAME ARGUMENTS { DO(NULL, REAL(NAME)(__VA_ARGS__), .kind = KIND, .fd = -1, .path = path); }
ON_PATH(unlink, UNLINK, (const char *path), path)
int unlink(const char *path) { return under_prefix(path) ? do_unlink(path) : REAL(unlink)(path); }
ON_PATH(rmdir, RMDIR, (const char *path), path)
int rmdir(const char *path) { return under_prefix(path) ? do_rmdir(path) : REAL(rmdir)(path); }
ON_PATH(mkdir, MKDIR, (const char *path, mode_t mode), path, mode)
int mkdir(const char *path, mode_t mode) { return under_prefix(path) ? do_mkdir(path, mode) : REAL(mkdir)(path, mode); }

static int do_rename(const char *path, const char *to) {
  DO(NULL, REAL(rename)(path, to), .kind = RENAME, .fd = -1, .path = path, .path2 = to);
}
int rename(const char *path, const char *to) { return under_prefix(path) ? do_rename(path, to) : REAL(rename)(path, to); }
static int do_link(const char *path, const char *to) {
  DO(NULL, REAL(link)(path, to), .kind = LINK, .fd = -1, .path = path, .path2 = to);
}
int link(const char *path, const char *to) { return under_prefix(path) ? do_link(path, to) : REAL(link)(path, to); }
