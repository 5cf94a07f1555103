/*
 * firehook-launch: becomes a program that runs other people's code, after it has given up everything that code does not need.
 *
 *   firehook-launch [OPTION]... -- PROGRAM [ARGUMENT]...
 *
 *   --user UID GID      become this user, with no other group; without it the user stays
 *   --root              stay root until the program gives it up itself (npm pcap opens its sockets in the process); keeps only
 *                       the capabilities that this takes
 *   --descriptors N     close every descriptor from N on
 *   --read PATH         the program may read this file, or all below this folder. Any number; without one it may read all
 *   --run PATH          the program may also execute this file
 *   --processes N       processes and threads of the user
 *   --data MIB          memory that is written to
 *   --cgroup FOLDER     join this cgroup
 *   --best              go on where the kernel lacks something; without it that is an error
 *
 * Always: a session of its own, no_new_privs, no io_uring, no core files, and an end with the parent.
 *
 * Rule: one thing after the other, in an order in which nothing that was given up comes back, and each call is looked at. It reads no
 * configuration and knows nothing of packets. Exit code 125 and one line on standard error when something is refused.
 *
 * See landlock(7), capabilities(7), prctl(2), close_range(2), mount_namespaces(7).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST_PATHS 64
#define REFUSED 125

/* Landlock by its numbers: the headers of Debian 12 know less of it than its newer kernels (linux/landlock.h). */
#define LANDLOCK_CREATE_RULESET 444
#define LANDLOCK_ADD_RULE 445
#define LANDLOCK_RESTRICT_SELF 446
#define FS_EXECUTE (1ULL << 0)
#define FS_READ_FILE (1ULL << 2)
#define FS_READ_DIR (1ULL << 3)
#define RULE_PATH_BENEATH 1

struct ruleset {
  uint64_t fs;
  uint64_t net;
  uint64_t scoped;
};

struct __attribute__((packed)) path_rule {
  uint64_t allowed;
  int32_t parent;
};

struct path {
  const char* name;
  bool run;
  int fd;
  bool folder;
};

static struct path paths[MOST_PATHS];
static int path_count;
static bool best;

static void refused(const char* what, const char* detail) {
  dprintf(STDERR_FILENO, "firehook-launch: %s%s%s: %s\n", what, detail[0] == '\0' ? "" : " ", detail, strerror(errno));
  _exit(REFUSED);
}

static void lacking(const char* what, const char* detail) {
  if (!best) refused(what, detail);
}

static long number(const char* text) {
  char* end;
  errno = 0;
  const long value = strtol(text, &end, 10);
  if (errno != 0 || *text == '\0' || *end != '\0' || value < 0) {
    errno = EINVAL;
    refused("no number", text);
  }
  return value;
}

/* --- Reaching: a folder on the way that only root may enter (a checkout in /root, a Node.js of nvm) ------------------- */

/** Length of the outermost part of a path that this user may not search; 0 where the whole path can be reached. */
static size_t barrier(const char* path) {
  char part[PATH_MAX];
  for (const char* slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
    const size_t length = (size_t)(slash - path);
    memcpy(part, path, length);
    part[length] = '\0';
    if (faccessat(AT_FDCWD, part, X_OK, AT_EACCESS) != 0 && errno == EACCES) return length;
  }
  return 0;
}

static void make_place(const char* path, bool folder) {
  char part[PATH_MAX];
  for (const char* slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
    memcpy(part, path, (size_t)(slash - path));
    part[slash - path] = '\0';
    if (mkdir(part, 0755) != 0 && errno != EEXIST && errno != EROFS) refused("mkdir", part);
  }
  if (folder ? mkdir(path, 0755) != 0 && errno != EEXIST : close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0444)) != 0)
    refused("place", path);
}

/**
 * Lets the user reach what it may read, in a mount namespace of its own: over each folder that it may not enter lies an empty one in
 * which only what was named can be seen. Rights of the files themselves stay as they are.
 */
static void reach(uid_t user) {
  size_t barriers[MOST_PATHS];
  const char* first = NULL;
  if (seteuid(user) != 0) refused("seteuid", "");
  for (int i = 0; i < path_count; i++) {
    barriers[i] = barrier(paths[i].name);
    if (barriers[i] > 0 && first == NULL) first = paths[i].name;
  }
  if (seteuid(0) != 0) refused("seteuid", "0");
  if (first == NULL) return;
  if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
    refused("the user may not enter a folder on the way to this path, and without CAP_SYS_ADMIN none can be laid over it:", first);
  for (int i = 0; i < path_count; i++) {
    if (barriers[i] == 0) continue;
    paths[i].fd = open(paths[i].name, O_PATH | O_CLOEXEC);
    struct stat status;
    if (paths[i].fd < 0 && errno == ENOENT) {
      barriers[i] = 0;
      continue;
    }
    if (paths[i].fd < 0 || fstat(paths[i].fd, &status) != 0) refused("open", paths[i].name);
    paths[i].folder = S_ISDIR(status.st_mode);
  }
  for (int i = 0; i < path_count; i++) {
    if (barriers[i] == 0) continue;
    char folder[PATH_MAX];
    memcpy(folder, paths[i].name, barriers[i]);
    folder[barriers[i]] = '\0';
    bool covered = false;
    for (int k = 0; k < i; k++)
      covered = covered || (barriers[k] == barriers[i] && strncmp(paths[k].name, paths[i].name, barriers[i]) == 0);
    if (!covered && mount("none", folder, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=64k") != 0) refused("mount", folder);
    make_place(paths[i].name, paths[i].folder);
    char source[64];
    snprintf(source, sizeof(source), "/proc/self/fd/%d", paths[i].fd);
    if (mount(source, paths[i].name, NULL, MS_BIND | MS_REC, NULL) != 0) refused("bind", paths[i].name);
  }
}

/* --- Landlock: read what was named, execute the program, write nothing ------------------------------------------------ */

static void confine_files(void) {
  if (path_count == 0) return;
  const long abi = syscall(LANDLOCK_CREATE_RULESET, NULL, 0, 1);
  if (abi < 1) {
    lacking("Landlock", "");
    return;
  }
  struct ruleset attributes = {.fs = (1ULL << (abi >= 5 ? 16 : abi >= 3 ? 15 : abi >= 2 ? 14 : 13)) - 1};
  /* Signals to others and abstract sockets, from ABI 6 on. What TCP may do is the business of the seccomp filter. */
  if (abi >= 6) attributes.scoped = 3;
  const size_t size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
  const int rules = (int)syscall(LANDLOCK_CREATE_RULESET, &attributes, size, 0);
  if (rules < 0) refused("landlock_create_ruleset", "");
  for (int i = 0; i < path_count; i++) {
    const int fd = open(paths[i].name, O_PATH | O_CLOEXEC);
    struct stat status;
    /* What is not there cannot be read: /lib64 on some machines. */
    if (fd < 0 && errno == ENOENT) continue;
    if (fd < 0 || fstat(fd, &status) != 0) refused("open", paths[i].name);
    struct path_rule rule = {.allowed = FS_READ_FILE | (paths[i].run ? FS_EXECUTE : 0), .parent = fd};
    if (S_ISDIR(status.st_mode)) rule.allowed |= FS_READ_DIR;
    if (syscall(LANDLOCK_ADD_RULE, rules, RULE_PATH_BENEATH, &rule, 0) != 0) refused("landlock_add_rule", paths[i].name);
    close(fd);
  }
  if (syscall(LANDLOCK_RESTRICT_SELF, rules, 0) != 0) refused("landlock_restrict_self", "");
  close(rules);
}

/* --- io_uring --------------------------------------------------------------------------------------------------------- */

/* Their numbers are the same on every machine; another bit of the number says the x32 interface of x86-64. */
#define FIRST_IO_URING_CALL 425
#define LAST_IO_URING_CALL 427
#define X32_BIT 0x40000000u

/**
 * Makes a kernel without io_uring: what works through a ring passes every filter of system calls. It has to be done before the program
 * starts, because from Node.js 22 on the event loop makes a ring for epoll_ctl(2) at once, whatever UV_USE_IO_URING says, and goes without
 * one only where it gets none.
 */
static void refuse_io_uring(void) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, ~X32_BIT),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, FIRST_IO_URING_CALL, 0, 2),
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, LAST_IO_URING_CALL, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) lacking("seccomp", "");
}

/* --- Identity --------------------------------------------------------------------------------------------------------- */

/** What opening sockets and giving up root takes. */
static const int root_capabilities[] = {CAP_NET_RAW, CAP_NET_ADMIN, CAP_SETUID, CAP_SETGID};

static bool is_kept(int capability, bool root) {
  for (size_t i = 0; root && i < sizeof(root_capabilities) / sizeof(int); i++)
    if (root_capabilities[i] == capability) return true;
  return false;
}

static void drop_capabilities(bool root) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2] = {{0}};
  for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++) {
    if (is_kept(capability, root)) {
      data[capability / 32].permitted |= 1u << (capability % 32);
      data[capability / 32].effective |= 1u << (capability % 32);
    } else if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) {
      lacking("PR_CAPBSET_DROP (it takes CAP_SETPCAP)", "");
    }
  }
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  if (root && syscall(SYS_capset, &header, data) != 0) refused("capset", "");
}

static void limit(int resource, const char* name, rlim_t value) {
  struct rlimit now;
  if (getrlimit(resource, &now) != 0) refused("getrlimit", name);
  if (now.rlim_max != RLIM_INFINITY && now.rlim_max < value) value = now.rlim_max;
  const struct rlimit wanted = {.rlim_cur = value, .rlim_max = value};
  if (setrlimit(resource, &wanted) != 0) refused("setrlimit", name);
}

static void join_cgroup(const char* folder) {
  char file[PATH_MAX];
  snprintf(file, sizeof(file), "%s/cgroup.procs", folder);
  const int fd = open(file, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, "0", 1) != 1) lacking("cgroup", folder);
  if (fd >= 0) close(fd);
}

int main(int count, char** arguments) {
  long user = -1;
  long group = -1;
  long descriptors = 3;
  long processes = 0;
  long data = 0;
  const char* cgroup = NULL;
  bool root = false;
  int at = 1;
  for (; at < count && strcmp(arguments[at], "--") != 0; at++) {
    const char* option = arguments[at];
    const int left = count - at - 1;
    if (strcmp(option, "--root") == 0) root = true;
    else if (strcmp(option, "--best") == 0) best = true;
    else if (strcmp(option, "--user") == 0 && left >= 2) user = number(arguments[++at]), group = number(arguments[++at]);
    else if (strcmp(option, "--descriptors") == 0 && left >= 1) descriptors = number(arguments[++at]);
    else if (strcmp(option, "--processes") == 0 && left >= 1) processes = number(arguments[++at]);
    else if (strcmp(option, "--data") == 0 && left >= 1) data = number(arguments[++at]);
    else if (strcmp(option, "--cgroup") == 0 && left >= 1) cgroup = arguments[++at];
    else if ((strcmp(option, "--read") == 0 || strcmp(option, "--run") == 0) && left >= 1 && path_count < MOST_PATHS) {
      const char* name = arguments[++at];
      if (name[0] != '/' || strlen(name) >= PATH_MAX) {
        errno = EINVAL;
        refused("no absolute path", name);
      }
      paths[path_count++] = (struct path){.name = name, .run = strcmp(option, "--run") == 0, .fd = -1, .folder = false};
    } else {
      errno = EINVAL;
      refused("wrong option", option);
    }
  }
  char** program = arguments + at + 1;
  if (at + 1 >= count) {
    errno = EINVAL;
    refused("no program", "");
  }

  /* No terminal to type into, and nothing of the caller's but what it hands over. */
  setsid();
  umask(022);
  if (syscall(SYS_close_range, (unsigned)descriptors, ~0u, 0) != 0) lacking("close_range", "");
  if (cgroup != NULL) join_cgroup(cgroup);
  if (geteuid() == 0 && user > 0) reach((uid_t)user);
  umask(077);
  if (processes > 0) limit(RLIMIT_NPROC, "processes", (rlim_t)processes);
  if (data > 0) limit(RLIMIT_DATA, "data", (rlim_t)data << 20);
  limit(RLIMIT_CORE, "core", 0);

  if (geteuid() == 0) {
    drop_capabilities(root);
    if (setgroups(0, NULL) != 0) refused("setgroups", "");
    if (!root && user > 0 &&
        (setresgid((gid_t)group, (gid_t)group, (gid_t)group) != 0 || setresuid((uid_t)user, (uid_t)user, (uid_t)user) != 0)) {
      refused("become the user", "");
    }
  }
  /* Whatever file is executed from here on, it gives no right. */
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) refused("PR_SET_NO_NEW_PRIVS", "");
  confine_files();
  refuse_io_uring();
  /* Last: a change of the user clears it. A caller that was gone before will not be missed by it: the parent says so. */
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) refused("PR_SET_PDEATHSIG", "");
  execv(program[0], program);
  refused("execute", program[0]);
}
