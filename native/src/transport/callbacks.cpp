#include "transport/callbacks.h"

#include <cstring>
#include <new>
#include <utility>

namespace bitfusion::transport {

uint64_t Callbacks::remember(HostFunction function, void* user_data, bool persistent) {
  return remember({0, function, nullptr, user_data, persistent, nullptr});
}

uint64_t Callbacks::remember_copy(HostCopyFunction function, void* user_data) {
  return remember({0, nullptr, function, user_data, true, nullptr});
}

uint64_t Callbacks::remember(Entry wanted) {
  auto* entry = new (std::nothrow) Entry(wanted);
  if (!entry) return 0;
  Guard guard(lock_);
  if (!started_) started_ = start_thread("bitfusion-call", thread_main, this, Stack::kOfApplication);
  if (!started_) {
    delete entry;
    return 0;
  }
  entry->number = ++last_number_;
  entry->next = entries_;
  entries_ = entry;
  ++outstanding_;
  outstanding_changed_.notify_all();
  return entry->number;
}

bool Callbacks::forget(uint64_t number) {
  Guard guard(lock_);
  return remove_locked(number);
}

// What is to run once is forgotten before it does.
bool Callbacks::take(uint64_t number, Entry* found) {
  Guard guard(lock_);
  for (const Entry* entry = entries_; entry; entry = entry->next) {
    if (entry->number != number) continue;
    *found = *entry;
    if (!entry->persistent) remove_locked(number);
    return true;
  }
  return false;
}

bool Callbacks::remove_locked(uint64_t number) {
  for (Entry** link = &entries_; *link; link = &(*link)->next) {
    if ((*link)->number != number) continue;
    Entry* entry = *link;
    *link = entry->next;
    delete entry;
    --outstanding_;
    return true;
  }
  return false;
}

bool Callbacks::arrived(wire::Reader in, uint64_t landed, Printed printed) {
  const auto payload = in.get<wire::CallbackPayload>();
  const auto bytes = in.rest();
  std::unique_ptr<std::byte[]> kept(bytes.empty() ? nullptr : new (std::nothrow) std::byte[bytes.size()]);
  if (kept) std::memcpy(kept.get(), bytes.data(), bytes.size());
  if (!kept && !bytes.empty()) return false;
  auto* request = new (std::nothrow) Request{payload, landed, std::move(printed), std::move(kept), bytes.size(), nullptr};
  if (!request) return false;
  Guard guard(lock_);
  *last_ = request;
  last_ = &request->next;
  if (thread_waiter_) receiver_->take_back(std::exchange(thread_waiter_, nullptr));
  return true;
}

void Callbacks::fail() {
  Guard guard(lock_);
  failed_ = true;
  outstanding_changed_.notify_all();
}

void* Callbacks::thread_main(void* callbacks) {
  static_cast<Callbacks*>(callbacks)->serve();
  return nullptr;
}

void Callbacks::serve() {
  while (Request* request = next_request()) {
    run(*request);
    delete request;
  }
}

// Waits for a request; while host functions are outstanding this thread takes part in reading the connection. Null: the link is gone.
Callbacks::Request* Callbacks::next_request() {
  Guard guard(lock_);
  while (!first_) {
    if (failed_) return nullptr;
    if (outstanding_ == 0) {
      outstanding_changed_.wait(lock_);
      continue;
    }
    Waiter waiter;
    thread_waiter_ = &waiter;
    receiver_->add(&waiter);
    lock_.unlock();
    receiver_->wait(&waiter);
    lock_.lock();
    thread_waiter_ = nullptr;
  }
  Request* request = first_;
  first_ = request->next;
  if (!first_) last_ = &first_;
  return request;
}

void Callbacks::run(Request& request) {
  host_->wait_landed(request.landed);
  request.printed.write_out();
  Entry entry;
  HostBytes answer;
  if (take(request.payload.callback, &entry)) {
    if (entry.copy)
      answer = entry.copy(entry.user_data, request.payload.piece, {request.bytes.get(), request.size});
    else
      entry.function(entry.user_data, request.payload.status);
  }
  if (request.payload.piece != wire::kNotice) host_->callback_done(request.payload.callback, answer);
}

}  // namespace bitfusion::transport
