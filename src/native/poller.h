/*
 * Waits for rings and for the event loop of Node at once, in one poll(2), and hands out what the rings have.
 *
 *   uv_prepare ─> a batch from each ring that has frames ─> again, for at most a millisecond ─┐
 *      ^                    │ none has any                                                    │
 *      │                    v                                                                 v
 *      └── the loop's turn <── poll(rings, the loop's epoll descriptor, the loop's next timer)
 *
 * libuv's own way, uv_poll, registers a ring with epoll for good: that costs the kernel a wake for every frame, on the core
 * of whoever sends, and the lane a turn of the loop for every batch. Here a batch costs what it costs in C, and the loop gets
 * its turn whenever it has something to do (uv_backend_fd, uv_backend_timeout) and at least once a millisecond under load.
 *
 * Rule: the loop sleeps nowhere but in this poll(2) while there is a source. Nothing here knows of JavaScript.
 * Main thread only.
 */
#ifndef FIREHOOK_NATIVE_POLLER_H_
#define FIREHOOK_NATIVE_POLLER_H_

#include <cstdint>
#include <poll.h>
#include <uv.h>
#include <vector>

namespace firehook {

/** What a poller waits for. */
class PollSource {
 public:
  virtual ~PollSource() = default;
  /** Descriptor that poll(2) says is readable when there may be something. */
  virtual int fd() const = 0;
  /** Hands out one batch. False when there was none. May add and remove sources, this one included. */
  virtual bool HandOut() = 0;
  /** poll(2) reported an error on the descriptor. */
  virtual void OnError() = 0;
};

class Poller {
 public:
  explicit Poller(uv_loop_t* loop);
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  /** Borrows `source` until Remove. Keeps the loop alive meanwhile. */
  void Add(PollSource* source);
  /** Fine for one that was never added, and from within HandOut. */
  void Remove(PollSource* source);

 private:
  void Run();
  bool HandOutAll();
  bool Sleep();

  uv_loop_t* loop_;
  uv_prepare_t prepare_;
  /** Active while the loop has its turn: its own poll must not sleep. */
  uv_idle_t idle_;
  std::vector<PollSource*> sources_;
  std::vector<pollfd> waiting_;
};

}  // namespace firehook

#endif  // FIREHOOK_NATIVE_POLLER_H_
