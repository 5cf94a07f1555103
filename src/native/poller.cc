/* See poller.h. */
#include "poller.h"

#include <algorithm>

namespace firehook {

namespace {

/** The event loop gets its turn after this long, so that a hook's timers and sockets live. */
constexpr uint64_t kTurnNs = 1000 * 1000;

}  // namespace

Poller::Poller(uv_loop_t* loop) : loop_(loop) {
  uv_prepare_init(loop_, &prepare_);
  uv_idle_init(loop_, &idle_);
  prepare_.data = this;
}

void Poller::Add(PollSource* source) {
  sources_.push_back(source);
  uv_prepare_start(&prepare_, [](uv_prepare_t* prepare) { static_cast<Poller*>(prepare->data)->Run(); });
}

void Poller::Remove(PollSource* source) {
  sources_.erase(std::remove(sources_.begin(), sources_.end(), source), sources_.end());
  if (!sources_.empty()) return;
  uv_prepare_stop(&prepare_);
  uv_idle_stop(&idle_);
}

void Poller::Run() {
  uv_idle_stop(&idle_);
  // The clock is read from the second batch in a row on: one that is followed by sleep costs no look.
  uint64_t turnEnd = 0;
  for (;;) {
    if (HandOutAll()) {
      const uint64_t now = uv_hrtime();
      if (turnEnd == 0) turnEnd = now + kTurnNs;
      else if (now >= turnEnd) break;
    } else {
      // What woke the poll and is no frame yet (a slot that the kernel is still writing) must not keep the loop from its turn.
      if (sources_.empty() || !Sleep() || !HandOutAll()) break;
      turnEnd = 0;
    }
  }
  if (!sources_.empty()) uv_idle_start(&idle_, [](uv_idle_t*) {});
}

/** A batch from each source. False when none had any. */
bool Poller::HandOutAll() {
  bool any = false;
  // A source may go while it hands out.
  for (size_t i = 0; i < sources_.size(); i++) any = sources_[i]->HandOut() || any;
  return any;
}

/** Sleeps until a source is readable (true) or the loop has something to do (false). */
bool Poller::Sleep() {
  uv_update_time(loop_);
  // 0 as well while the loop has handles that it has not told epoll about yet.
  const int timeoutMs = uv_backend_timeout(loop_);
  if (timeoutMs == 0) return false;
  waiting_.clear();
  for (const PollSource* source : sources_) waiting_.push_back(pollfd{source->fd(), POLLIN, 0});
  waiting_.push_back(pollfd{uv_backend_fd(loop_), POLLIN, 0});
  if (poll(waiting_.data(), waiting_.size(), timeoutMs) <= 0) return false;
  bool isReadable = false;
  for (size_t i = 0; i < sources_.size(); i++) {
    if ((waiting_[i].revents & POLLIN) != 0) isReadable = true;
    if ((waiting_[i].revents & ~POLLIN) != 0) sources_[i]->OnError();
  }
  return isReadable;
}

}  // namespace firehook
