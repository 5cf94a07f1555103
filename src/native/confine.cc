/* See confine.h. */
#include "confine.h"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace firehook {

namespace {

static_assert(kReadFlags == (MSG_DONTWAIT | MSG_TRUNC) && kSendFlags == (MSG_DONTWAIT | MSG_NOSIGNAL));

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "firehook's filter of system calls is written for x86-64 and arm64"
#endif

constexpr long kLandlockCreateRuleset = 444;
constexpr uint32_t kLandlockVersionFlag = 1;
/** prctl(2): names of memory areas, which V8 gives. */
constexpr uint32_t kPrSetVma = 0x53564d41;
/** From here on system calls are newer than this list: "not there" has libraries fall back to older ones. */
constexpr uint32_t kFirstNewCall = 450;
constexpr uint32_t kSocketTypeBits = 0xf;

/** System calls that are the same for every argument: memory, time, threads, waiting, looking at files and at oneself. */
constexpr uint32_t kAllowed[] = {
    SYS_futex, SYS_madvise, SYS_mprotect, SYS_munmap, SYS_close, SYS_epoll_pwait, SYS_epoll_ctl, SYS_ppoll, SYS_fstat,
    SYS_getsockopt, SYS_clock_gettime, SYS_clock_getres, SYS_clock_nanosleep, SYS_nanosleep, SYS_gettimeofday, SYS_brk,
    SYS_mremap, SYS_msync, SYS_mincore, SYS_mlock, SYS_munlock, SYS_membarrier, SYS_rseq, SYS_getrandom, SYS_sched_yield,
    SYS_sched_getaffinity, SYS_sched_getparam, SYS_sched_getscheduler, SYS_sched_get_priority_max,
    SYS_sched_get_priority_min, SYS_getcpu, SYS_getpriority, SYS_set_robust_list, SYS_get_robust_list, SYS_set_tid_address,
    SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_rt_sigpending, SYS_rt_sigtimedwait, SYS_sigaltstack,
    SYS_restart_syscall, SYS_exit, SYS_exit_group, SYS_getpid, SYS_gettid, SYS_getppid, SYS_getuid, SYS_geteuid, SYS_getgid,
    SYS_getegid, SYS_getgroups, SYS_getresuid, SYS_getresgid, SYS_getpgid, SYS_getsid, SYS_getrusage, SYS_times, SYS_sysinfo,
    SYS_uname, SYS_capget, SYS_getitimer, SYS_setitimer, SYS_timer_create, SYS_timer_settime, SYS_timer_gettime,
    SYS_timer_delete, SYS_timer_getoverrun, SYS_timerfd_create, SYS_timerfd_settime, SYS_timerfd_gettime, SYS_epoll_create1,
    SYS_eventfd2, SYS_pipe2, SYS_lseek, SYS_newfstatat, SYS_statx, SYS_statfs, SYS_fstatfs, SYS_faccessat, SYS_readlinkat,
    SYS_getdents64, SYS_getcwd, SYS_fsync, SYS_fdatasync, SYS_fadvise64, SYS_readahead, SYS_inotify_init1,
    SYS_inotify_add_watch, SYS_inotify_rm_watch, SYS_getsockname, SYS_getpeername, SYS_shutdown, SYS_pkey_alloc,
    SYS_pkey_free, SYS_pkey_mprotect, SYS_pselect6,
    439 /* faccessat2 */, 441 /* epoll_pwait2 */, 449 /* futex_waitv */, 462 /* mseal */,
#if defined(__x86_64__)
    SYS_poll, SYS_epoll_wait, SYS_select, SYS_stat, SYS_lstat, SYS_access, SYS_readlink, SYS_getrlimit, SYS_time,
#endif
};

/** System calls on a descriptor that is no socket of the packet path. */
constexpr uint32_t kOnOthers[] = {SYS_read, SYS_readv, SYS_pread64, SYS_preadv, SYS_write, SYS_writev, SYS_pwrite64, SYS_pwritev};

/** What it takes to speak to a server, on sockets of IPv4 and IPv6. Libraries bind a UDP socket that sends. */
constexpr uint32_t kOfNetwork[] = {SYS_connect, SYS_bind};

constexpr uint32_t kIoctls[] = {0x5421 /* FIONBIO */, 0x5451 /* FIOCLEX */, 0x5450 /* FIONCLEX */, 0x541b /* FIONREAD */, 0x5401 /* TCGETS */, 0x5413 /* TIOCGWINSZ */};
/** Seals are read of memory that comes later: a table that takes another one's place. */
constexpr uint32_t kFcntls[] = {F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_SETLK, F_GET_SEALS};
constexpr uint32_t kPrctls[] = {PR_SET_NAME, PR_GET_NAME, kPrSetVma, PR_CAPBSET_READ, PR_GET_DUMPABLE, PR_GET_NO_NEW_PRIVS, PR_GET_SECCOMP};

bool confined = false;

/** A filter under construction. Each part looks at the number of the call, and falls through where it is another. */
class Filter {
 public:
  Filter() {
    Load(offsetof(seccomp_data, arch));
    JumpUnless(BPF_JEQ, kArchitecture, {Refuse(EPERM)});
    Load(offsetof(seccomp_data, nr));
  }

  void Allow(uint32_t call) { When(call, {Return(SECCOMP_RET_ALLOW)}); }
  void Answer(uint32_t call, int number) { When(call, {Refuse(number)}); }

  /** Allows it when one argument is one of these. */
  template <typename Values>
  void AllowWhere(uint32_t call, int argument, const Values& values) {
    std::vector<sock_filter> body = {LoadOf(argument)};
    for (const auto value : values) Equal(&body, static_cast<uint32_t>(value), Return(SECCOMP_RET_ALLOW));
    body.push_back(Refuse(EPERM));
    When(call, body);
  }

  /** Allows it unless the first argument is one of these. */
  void AllowUnless(uint32_t call, const std::vector<int>& descriptors) {
    std::vector<sock_filter> body = {LoadOf(0)};
    for (const int fd : descriptors) Equal(&body, static_cast<uint32_t>(fd), Refuse(EPERM));
    body.push_back(Return(SECCOMP_RET_ALLOW));
    When(call, body);
  }

  /** Allows it with exactly these flags, which stand in that argument; with others on no socket of these, or on none at all. */
  void AllowWithFlags(uint32_t call, int argument, uint32_t flags, const std::vector<int>& descriptors, bool others = true) {
    std::vector<sock_filter> body = {LoadOf(argument)};
    Equal(&body, flags, Return(SECCOMP_RET_ALLOW));
    if (others) {
      body.push_back(LoadOf(0));
      for (const int fd : descriptors) Equal(&body, static_cast<uint32_t>(fd), Refuse(EPERM));
    }
    body.push_back(others ? Return(SECCOMP_RET_ALLOW) : Refuse(EPERM));
    When(call, body);
  }

  /** Allows to set one option of a socket; what is said of the call later holds for all others. */
  void AllowOption(uint32_t level, uint32_t option) {
    When(SYS_setsockopt, {LoadOf(1), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, level, 0, 3), LoadOf(2),
                          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, option, 0, 1), Return(SECCOMP_RET_ALLOW),
                          // The parts that follow look at the number of the call.
                          BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))});
  }

  /** Allows it when no bit of the mask is set in one argument. */
  void AllowWithout(uint32_t call, int argument, uint32_t mask) {
    When(call, {LoadOf(argument), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, mask, 0, 1), Refuse(EPERM), Return(SECCOMP_RET_ALLOW)});
  }

  void When(uint32_t call, const std::vector<sock_filter>& body) {
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, static_cast<uint8_t>(body.size())));
    code_.insert(code_.end(), body.begin(), body.end());
  }

  std::vector<sock_filter> Finish() {
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kFirstNewCall, 0, 1));
    code_.push_back(Refuse(ENOSYS));
    code_.push_back(Refuse(EPERM));
    return code_;
  }

  static sock_filter Return(uint32_t action) { return BPF_STMT(BPF_RET | BPF_K, action); }
  static sock_filter Refuse(int number) { return Return(SECCOMP_RET_ERRNO | static_cast<uint32_t>(number)); }
  /** The lower half of an argument: the kernel looks at no more of those that are asked for here. */
  static sock_filter LoadOf(int argument) {
    return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offsetof(seccomp_data, args) + 8 * argument));
  }

 private:
  static void Equal(std::vector<sock_filter>* body, uint32_t value, sock_filter then) {
    body->push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1));
    body->push_back(then);
  }

  void Load(size_t offset) { code_.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset))); }

  void JumpUnless(uint16_t test, uint32_t value, const std::vector<sock_filter>& body) {
    code_.push_back(BPF_JUMP(static_cast<uint16_t>(BPF_JMP | test | BPF_K), value, static_cast<uint8_t>(body.size()), 0));
    code_.insert(code_.end(), body.begin(), body.end());
  }

  std::vector<sock_filter> code_;
};

std::vector<sock_filter> FilterFor(const std::vector<int>& sockets, bool byOthers, bool network) {
  Filter filter;
  // The packet path first: what it asks for costs the fewest comparisons.
  filter.AllowWithFlags(SYS_sendmmsg, 3, kSendFlags, sockets, network);
#if defined(__x86_64__)
  filter.Allow(SYS_poll);
#else
  // poll(2) of the C library, on machines without the older call.
  filter.Allow(SYS_ppoll);
#endif
  filter.AllowWithFlags(SYS_recvmsg, 2, kReadFlags, sockets);
  filter.AllowWithFlags(SYS_sendmsg, 2, kSendFlags, sockets);
  if (byOthers) {
    filter.Allow(SYS_sendto);
    filter.Allow(SYS_recvfrom);
  } else {
    filter.AllowWithFlags(SYS_sendto, 3, kSendFlags, sockets);
    filter.AllowWithFlags(SYS_recvfrom, 3, kReadFlags, sockets);
  }
  for (const uint32_t call : kOnOthers) filter.AllowUnless(call, sockets);
  for (const uint32_t call : kAllowed) filter.Allow(call);

  // Threads, no processes. Without clone3, whose flags cannot be looked at, libraries use clone.
  filter.Answer(SYS_clone3, ENOSYS);
  filter.When(SYS_clone, {Filter::LoadOf(0), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 1), Filter::Return(SECCOMP_RET_ALLOW), Filter::Refuse(EPERM)});
  // Signals to itself.
  const uint32_t own[] = {static_cast<uint32_t>(getpid())};
  filter.AllowWhere(SYS_kill, 0, own);
  filter.AllowWhere(SYS_tgkill, 0, own);
  // Limits are looked at, not set: no new ones, of which the lower half of the pointer is zero.
  filter.AllowWithout(SYS_prlimit64, 2, ~0u);
  // Code that V8 makes has no file; a library would have one.
  filter.When(SYS_mmap, {Filter::LoadOf(2), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 3), Filter::LoadOf(3), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MAP_ANONYMOUS, 1, 0), Filter::Refuse(EPERM), Filter::Return(SECCOMP_RET_ALLOW)});
  // Files are read. With the version that takes a structure libraries fall back to this one.
  constexpr uint32_t kWriting = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND | __O_TMPFILE;
  filter.When(SYS_openat, {Filter::LoadOf(2), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, kWriting & ~static_cast<uint32_t>(O_DIRECTORY), 0, 1), Filter::Refuse(EACCES), Filter::Return(SECCOMP_RET_ALLOW)});
  filter.Answer(437 /* openat2 */, ENOSYS);
#if defined(__x86_64__)
  filter.When(SYS_open, {Filter::LoadOf(1), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, kWriting & ~static_cast<uint32_t>(O_DIRECTORY), 0, 1), Filter::Refuse(EACCES), Filter::Return(SECCOMP_RET_ALLOW)});
#endif
  filter.AllowWhere(SYS_ioctl, 1, kIoctls);
  filter.AllowWhere(SYS_fcntl, 1, kFcntls);
  filter.AllowWhere(SYS_prctl, 0, kPrctls);
  if (network) {
    const uint32_t families[] = {AF_INET, AF_INET6};
    const uint32_t types[] = {SOCK_STREAM, SOCK_DGRAM};
    // Both are looked at: the family, then the type.
    filter.When(SYS_socket, [&] {
      std::vector<sock_filter> body = {Filter::LoadOf(0)};
      body.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, families[0], 2, 0));
      body.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, families[1], 1, 0));
      body.push_back(Filter::Refuse(EPERM));
      body.push_back(Filter::LoadOf(1));
      body.push_back(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, kSocketTypeBits));
      body.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, types[0], 1, 0));
      body.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, types[1], 0, 1));
      body.push_back(Filter::Return(SECCOMP_RET_ALLOW));
      body.push_back(Filter::Refuse(EPERM));
      return body;
    }());
    for (const uint32_t call : kOfNetwork) filter.AllowUnless(call, sockets);
  }
  // The switch in front of two lanes: only the sockets of npm pcap have one.
  if (byOthers) filter.AllowOption(SOL_PACKET, PACKET_FANOUT_DATA);
  if (network) {
    filter.AllowUnless(SYS_setsockopt, sockets);
  } else {
    // The interest of hooks, once, at a tap.
    filter.When(SYS_setsockopt, {Filter::LoadOf(1), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SOL_SOCKET, 0, 3), Filter::LoadOf(2), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SO_ATTACH_FILTER, 0, 1), Filter::Return(SECCOMP_RET_ALLOW), Filter::Refuse(EPERM)});
  }
  return filter.Finish();
}

}  // namespace

int LandlockVersion() {
  const long version = syscall(kLandlockCreateRuleset, nullptr, 0, kLandlockVersionFlag);
  return version < 0 ? 0 : static_cast<int>(version);
}

bool Confine(const std::vector<int>& sockets, bool byOthers, bool network, SystemError* error) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return Fail(error, "PR_SET_NO_NEW_PRIVS");
  // No other process of the same user looks into this one, and /proc/self/fd opens nothing again.
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return Fail(error, "PR_SET_DUMPABLE");
  std::vector<sock_filter> code = FilterFor(sockets, byOthers, network);
  const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  const long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
  if (result > 0) errno = EBUSY;
  if (result != 0) return Fail(error, "seccomp");
  confined = true;
  return true;
}

bool IsConfined() { return confined; }

}  // namespace firehook
