/* See lease.h. */
#include "lease.h"

#include <algorithm>
#include <csignal>
#include <mutex>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <system_error>
#include <utility>

#include "memory.h"

namespace firehook {

namespace {

constexpr uint64_t kPeriodNs = 200 * kNsPerMs;
constexpr uint64_t kCertainNs = 900 * kNsPerMs;
constexpr uint64_t kLaneStandsNs = 400 * kNsPerMs;
constexpr uint64_t kLoopStandsNs = 5 * kNsPerSecond;
/** A look that comes late says nothing about the lane in the meantime: the whole machine may have stood still. */
constexpr uint64_t kMostPassedNs = kPeriodNs + 50 * kNsPerMs;
/** Octets of a progress file that are looked at: the second word. */
constexpr size_t kProgressOctets = 16;

/** What the kernel said about a batch: it is in force when somebody got an ack and nobody an error. */
class Verdict : public AnswerSink {
 public:
  bool Take(const uint8_t* messages, size_t length) override {
    ForEachMessage(messages, length, [this](const nlmsghdr& header, const uint8_t* body, size_t octets) {
      int32_t number = 0;
      if (header.nlmsg_type != NLMSG_ERROR || octets < sizeof(number)) return;
      memcpy(&number, body, sizeof(number));
      if (number == 0) hasAck_ = true;
      else if (error_ == 0) error_ = -number;
    });
    return true;
  }

  /** 0 when it is in force. */
  int Errno() const { return error_ != 0 || hasAck_ ? error_ : ENOMSG; }

 private:
  bool hasAck_ = false;
  int error_ = 0;
};

/** As the kernel lets it: a thread that waits for a processor lets the lease of every port lapse. */
void AskForPrecedence() {
  sched_param priority{};
  priority.sched_priority = 1;
  pthread_setschedparam(pthread_self(), SCHED_FIFO | SCHED_RESET_ON_FORK, &priority);
  pthread_setname_np(pthread_self(), "firehook-lease");
}

}  // namespace

ProgressWord::~ProgressWord() {
  if (words_ != nullptr) munmap(const_cast<uint64_t*>(words_), kProgressOctets);
}

ProgressWord::ProgressWord(ProgressWord&& other) noexcept { *this = std::move(other); }

ProgressWord& ProgressWord::operator=(ProgressWord&& other) noexcept {
  std::swap(words_, other.words_);
  std::swap(device_, other.device_);
  std::swap(inode_, other.inode_);
  std::swap(last_, other.last_);
  std::swap(movedNs_, other.movedNs_);
  std::swap(stillNs_, other.stillNs_);
  return *this;
}

bool ProgressWord::Open(int fd, uint64_t nowNs, SystemError* error) {
  words_ = static_cast<const uint64_t*>(MapMemory(fd, kProgressOctets, Access::kRead, error));
  if (words_ == nullptr) return false;
  struct stat status {};
  if (fstat(fd, &status) != 0) return Fail(error, "fstat");
  device_ = status.st_dev;
  inode_ = status.st_ino;
  last_ = Read();
  movedNs_ = nowNs;
  return true;
}

uint64_t ProgressWord::Read() const { return __atomic_load_n(&words_[1], __ATOMIC_RELAXED); }

void ProgressWord::Look(uint64_t nowNs, uint64_t passedNs) {
  const uint64_t now = Read();
  if (now == last_) {
    stillNs_ += passedNs;
    return;
  }
  last_ = now;
  movedNs_ = nowNs;
  stillNs_ = 0;
}

void ProgressWord::Remember(const ProgressWord& earlier) {
  last_ = earlier.last_;
  movedNs_ = earlier.movedNs_;
  stillNs_ = earlier.stillNs_;
}

bool ProgressWord::Stands() const { return stillNs_ >= kLaneStandsNs; }

std::unique_ptr<Lease> Lease::Open(std::shared_ptr<Netlink> socket, int fenceFd, bool inherits,
                                   std::function<void()> onChange, SystemError* error) {
  std::unique_ptr<Lease> made(new Lease);
  if (!(inherits ? made->fence_.Inherit(fenceFd, error) : made->fence_.Open(fenceFd, error))) return nullptr;
  made->isInherited_ = inherits;
  made->socket_ = std::move(socket);
  made->onChange_ = std::move(onChange);
  made->beatNs_ = made->lookNs_ = MonotonicNs();
  // The thread is born with what its maker blocks: signals are for the main thread.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    made->thread_ = std::thread([lease = made.get()] { lease->Run(); });
  } catch (const std::system_error&) {
    errno = EAGAIN;
    Fail(error, "pthread_create");
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (!made->thread_.joinable()) return nullptr;
  return made;
}

Lease::~Lease() {
  // It may not have got as far as that.
  if (thread_.joinable()) Close(false);
}

void Lease::SetBatches(std::vector<uint8_t> renew, std::vector<uint8_t> lapse) {
  std::shared_ptr<const Batches> fresh;
  if (!renew.empty()) fresh = std::make_shared<const Batches>(Batches{std::move(renew), std::move(lapse)});
  const std::lock_guard<Monitor> lock(monitor_);
  if (isEnding_) return;
  const bool isSame = batches_ == nullptr || fresh == nullptr
                          ? batches_ == fresh
                          : batches_->renew == fresh->renew && batches_->lapse == fresh->lapse;
  if (isSame) return;
  if (isInherited_) {
    isInherited_ = false;
    fence_.Reread();
    batches_ = std::move(fresh);
    gapStartNs_ = isAllowed_ ? MonotonicNs() : 0;
    Wake();
    return;
  }
  // A new port has no lease yet, and the fence is for all. The old ones keep theirs until the renewal that follows.
  const auto lapsing = pendingLapse_;
  End(Why::kWanted);
  if (fresh != nullptr) pendingLapse_ = lapsing;
  batches_ = std::move(fresh);
  gapStartNs_ = isAllowed_ && batches_ != nullptr ? MonotonicNs() : 0;
  Wake();
}

bool Lease::SetLanes(const std::vector<int>& fds, SystemError* error) {
  const uint64_t now = MonotonicNs();
  std::vector<ProgressWord> fresh(fds.size());
  for (size_t i = 0; i < fds.size(); i++) {
    if (!fresh[i].Open(fds[i], now, error)) return false;
  }
  {
    const std::lock_guard<Monitor> lock(monitor_);
    if (isEnding_) return true;
    for (ProgressWord& lane : fresh) {
      for (const ProgressWord& earlier : lanes_) {
        if (lane.IsSameFile(earlier)) lane.Remember(earlier);
      }
    }
    lanes_.swap(fresh);
    Wake();
  }
  return true;
}

void Lease::Allow(bool allowed) {
  const std::lock_guard<Monitor> lock(monitor_);
  if (isEnding_ || isAllowed_ == allowed) return;
  isAllowed_ = allowed;
  if (!allowed) End(Why::kWanted);
  gapStartNs_ = allowed && batches_ != nullptr ? MonotonicNs() : 0;
  Wake();
}

void Lease::Beat() {
  const std::lock_guard<Monitor> lock(monitor_);
  beatNs_ = MonotonicNs();
  if (isLoopLate_) Wake();
}

LeaseNumbers Lease::Numbers() {
  LeaseNumbers numbers;
  const std::lock_guard<Monitor> lock(monitor_);
  const uint64_t now = MonotonicNs();
  NoticeExpiry(now);
  numbers.isHeld = isHeld_;
  numbers.epoch = fence_.epoch();
  numbers.renewals = renewals_;
  numbers.refusals = refusals_;
  numbers.lastErrno = lastErrno_;
  const uint64_t gapNs = gapStartNs_ == 0 ? 0 : now - gapStartNs_;
  numbers.longestGapMs = static_cast<double>(std::max(longestGapNs_, gapNs)) / static_cast<double>(kNsPerMs);
  numbers.lapses = lapses_;
  for (const ProgressWord& lane : lanes_) {
    numbers.lanesMs.push_back(static_cast<double>(now - std::min(now, lane.movedNs())) / static_cast<double>(kNsPerMs));
  }
  return numbers;
}

void Lease::Close(bool lapse) {
  {
    const std::lock_guard<Monitor> lock(monitor_);
    if (isEnding_) return;
    isEnding_ = true;
    isAllowed_ = false;
    gapStartNs_ = 0;
    // The other process has it still.
    if (isInherited_) fence_.Leave();
    End(Why::kWanted);
    if (!lapse) pendingLapse_ = nullptr;
    Wake();
  }
  thread_.join();
  lanes_.clear();
}

bool Lease::Leave(const std::vector<uint8_t>& renew, uint64_t certainNs) {
  bool isHeld;
  {
    const std::lock_guard<Monitor> lock(monitor_);
    if (isEnding_) return false;
    NoticeExpiry(MonotonicNs());
    isHeld = isHeld_ && pendingLapse_ == nullptr;
    isEnding_ = true;
    isAllowed_ = false;
    gapStartNs_ = 0;
    // The answer to a renewal that is under way is nobody's any more.
    generation_ += 1;
    Wake();
  }
  thread_.join();
  lanes_.clear();
  if (isHeld) {
    Verdict verdict;
    SystemError error;
    const std::lock_guard<std::mutex> turn(socket_->turn());
    const uint64_t sentNs = MonotonicNs();
    isHeld = socket_->Exchange(renew.data(), renew.size(), &verdict, &error) && verdict.Errno() == 0;
    const uint64_t nowNs = MonotonicNs();
    if (isHeld && fence_.IsOpenAt(nowNs)) fence_.Extend(nowNs, sentNs + certainNs);
  }
  fence_.Leave();
  return isHeld;
}

void Lease::Wake() {
  isWoken_ = true;
  monitor_.Notify();
}

/** Closes the fence. What may be in the kernel is ended by the thread, next. */
void Lease::End(Why why) {
  fence_.Close();
  generation_ += 1;
  if (isHeld_ && why == Why::kLost) lapses_ += 1;
  isHeld_ = false;
  if (mayLive_) pendingLapse_ = batches_;
}

/** The time of the fence is over without a renewal. */
void Lease::NoticeExpiry(uint64_t nowNs) {
  if (!isHeld_ || fence_.IsOpenAt(nowNs)) return;
  isHeld_ = false;
  lapses_ += 1;
}

bool Lease::MayRenew(uint64_t nowNs) {
  const uint64_t passedNs = std::min(nowNs - lookNs_, kMostPassedNs);
  lookNs_ = nowNs;
  bool allMove = true;
  for (ProgressWord& lane : lanes_) {
    lane.Look(nowNs, passedNs);
    allMove = allMove && !lane.Stands();
  }
  isLoopLate_ = nowNs - std::min(nowNs, beatNs_) >= kLoopStandsNs;
  return isAllowed_ && batches_ != nullptr && allMove && !isLoopLate_;
}

void Lease::Run() noexcept {
  AskForPrecedence();
  monitor_.lock();
  for (;;) {
    isWoken_ = false;
    const uint64_t startNs = MonotonicNs();
    NoticeExpiry(startNs);
    const bool may = MayRenew(startNs);
    if (!may && mayLive_ && pendingLapse_ == nullptr && !isEnding_) End(Why::kLost);
    if (pendingLapse_ != nullptr) SendLapse();
    if (isEnding_) break;
    if (may) Renew(generation_);
    const uint64_t nowNs = MonotonicNs();
    NoticeExpiry(nowNs);
    if (isHeld_ != wasHeld_ || wasRefused_) Tell();
    const uint64_t nextNs = startNs + kPeriodNs;
    while (!isWoken_ && MonotonicNs() < nextNs) monitor_.WaitUntil(nextNs);
  }
  monitor_.unlock();
}

void Lease::Renew(uint64_t generation) {
  const std::shared_ptr<const Batches> batches = batches_;
  monitor_.unlock();
  Verdict verdict;
  SystemError error;
  bool isAnswered = false;
  uint64_t sentNs = 0;
  {
    const std::lock_guard<std::mutex> turn(socket_->turn());
    monitor_.lock();
    // Whoever had the turn may have had it for long.
    sentNs = MonotonicNs();
    const bool may = generation_ == generation && MayRenew(sentNs);
    if (may) mayLive_ = true;
    else isWoken_ = true;
    monitor_.unlock();
    if (may) {
      isAnswered = socket_->Exchange(batches->renew.data(), batches->renew.size(), &verdict, &error);
    } else {
      sentNs = 0;
    }
  }
  monitor_.lock();
  if (sentNs == 0 || generation_ != generation) return;
  const int refusal = isAnswered ? verdict.Errno() : error.number;
  if (refusal != 0) {
    refusals_ += 1;
    lastErrno_ = refusal;
    wasRefused_ = true;
    // What earlier renewals gave goes by itself: a lapse would be refused as well.
    const auto lapsing = pendingLapse_;
    End(Why::kLost);
    pendingLapse_ = lapsing;
    return;
  }
  const uint64_t nowNs = MonotonicNs();
  renewals_ += 1;
  if (gapStartNs_ != 0) longestGapNs_ = std::max(longestGapNs_, nowNs - gapStartNs_);
  gapStartNs_ = nowNs;
  NoticeExpiry(nowNs);
  if (nowNs >= sentNs + kCertainNs) return;
  fence_.Extend(nowNs, sentNs + kCertainNs);
  isHeld_ = true;
}

/** Whatever the kernel answers: an element that stays lapses within a second. */
void Lease::SendLapse() {
  const std::shared_ptr<const Batches> batches = std::move(pendingLapse_);
  pendingLapse_ = nullptr;
  mayLive_ = false;
  if (batches->lapse.empty()) return;
  monitor_.unlock();
  Verdict verdict;
  SystemError error;
  {
    const std::lock_guard<std::mutex> turn(socket_->turn());
    socket_->Exchange(batches->lapse.data(), batches->lapse.size(), &verdict, &error);
  }
  monitor_.lock();
}

/** Calls back without the monitor, which the callee may want. */
void Lease::Tell() {
  wasHeld_ = isHeld_;
  wasRefused_ = false;
  monitor_.unlock();
  onChange_();
  monitor_.lock();
}

}  // namespace firehook
