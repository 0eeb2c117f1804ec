// Devices and their memory.
#pragma once

#include <ATen/ATen.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <map>
#include <mutex>
#include <vector>

namespace {

using at::Tensor;

constexpr int64_t MOST = 8;

int64_t setting(const char* name, int64_t otherwise) {
  const char* value = std::getenv(name);
  return value ? std::atoll(value) : otherwise;
}

bool is_wrong(const char* kernel) {
  const char* wrong = std::getenv("PRETENDED_WRONG");
  return wrong && std::string(wrong) == kernel;
}

int64_t gpus() {
  static const int64_t count = std::min(setting("PRETENDED_GPUS", 2), MOST);
  return count;
}

// A kind of GPU.
template <c10::DeviceType TYPE>
struct Kind {
  static constexpr c10::DispatchKeySet KEYS{TYPE == at::kCUDA ? c10::DispatchKey::CUDA : c10::DispatchKey::MPS};
  static inline thread_local c10::DeviceIndex current = 0;

  static int64_t count() { return TYPE == at::kCUDA ? gpus() : 1; }

  static void check_index(int64_t index) {
    TORCH_CHECK(count() > 0, "No CUDA GPUs are available");
    TORCH_CHECK(index >= 0 && index < count(), "CUDA error: invalid device ordinal");
  }
};

// Whether the driver is still there, asked before each operation.
void check_driver() {
  static const int64_t gone = setting("PRETENDED_GONE", std::numeric_limits<int64_t>::max());
  static std::atomic<int64_t> asked{0};
  TORCH_CHECK(asked++ < gone, "CUDA error: unspecified launch failure\nCUDA kernel errors might be reported at some other call");
}

// The memory of all GPUs of a kind: one file, mapped twice. Tensors have addresses in the first mapping, where nothing may be read or written; kernels use
// the second.
template <c10::DeviceType TYPE>
class Memory final : public c10::Allocator {
 public:
  Memory() {
    int file = memfd_create("pretended-gpus", 0);
    TORCH_CHECK(file >= 0 && ftruncate(file, SPACE) == 0, "no memory to pretend with");
    device_ = static_cast<char*>(mmap(nullptr, SPACE, PROT_NONE, MAP_SHARED | MAP_NORESERVE, file, 0));
    host_ = static_cast<char*>(mmap(nullptr, SPACE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file, 0));
    TORCH_CHECK(device_ != MAP_FAILED && host_ != MAP_FAILED, "no memory to pretend with");
  }

  at::DataPtr allocate(size_t bytes) override {
    auto current = Kind<TYPE>::current;
    Kind<TYPE>::check_index(current);
    at::Device device(TYPE, current);
    if (bytes == 0) return {nullptr, nullptr, &nothing, device};
    std::lock_guard<std::mutex> lock(mutex_);
    size_t size = ALIGNED;
    while (size < bytes) size *= 2;
    if (used_[current] + bytes > limit()) {
      throw c10::OutOfMemoryError(
          {__func__, __FILE__, __LINE__},
          c10::str("CUDA out of memory. Tried to allocate ", bytes, " bytes. GPU ", int(current), " has a total capacity of ", limit(), " bytes."));
    }
    auto& free = free_[size];
    size_t at = end_;
    if (free.empty()) {
      TORCH_CHECK(end_ + size <= SPACE, "the pretended address space is full");
      end_ += size;
    } else {
      at = free.back();
      free.pop_back();
    }
    used_[current] += bytes;
    given_[current]++;
    return {device_ + at, new Piece{this, at, size, bytes, current}, &give_back, device};
  }

  void copy_data(void* to, const void* from, size_t bytes) const override {
    std::memcpy(host(to), host(const_cast<void*>(from)), bytes);
  }

  at::DeleterFnPtr raw_deleter() const override { return nullptr; }

  // Where kernels find what has this address.
  void* host(void* address) const { return address ? host_ + (static_cast<char*>(address) - device_) : nullptr; }

  bool is_host(const void* address) const { return address >= host_ && address < host_ + SPACE; }

  size_t limit() const {
    static const size_t limit = setting("PRETENDED_MEMORY", int64_t{4} << 30);
    return limit;
  }

  void log(const char* path) {
    std::ofstream file(path);
    for (int64_t index = 0; index < gpus(); index++) file << "cuda:" << index << ' ' << given_[index] << '\n';
  }

  size_t used(int64_t index) {
    std::lock_guard<std::mutex> lock(mutex_);
    return used_[index];
  }

 private:
  struct Piece {
    Memory* memory;
    size_t at, size, bytes;
    c10::DeviceIndex device;
  };

  static constexpr size_t SPACE = size_t{64} << 30;
  static constexpr size_t ALIGNED = 256;

  static void nothing(void*) {}

  static void give_back(void* context) {
    std::unique_ptr<Piece> piece(static_cast<Piece*>(context));
    std::lock_guard<std::mutex> lock(piece->memory->mutex_);
    piece->memory->used_[piece->device] -= piece->bytes;
    piece->memory->free_[piece->size].push_back(piece->at);
  }

  char* device_;
  char* host_;
  std::mutex mutex_;
  size_t end_ = 0;
  size_t used_[MOST] = {};
  size_t given_[MOST] = {};
  std::map<size_t, std::vector<size_t>> free_;
};

template <c10::DeviceType TYPE>
Memory<TYPE>& memory() {
  static Memory<TYPE>* memory = new Memory<TYPE>();  // Never gone: tensors may outlive everything else.
  return *memory;
}

bool is_gpus(const Tensor& tensor) { return tensor.is_cuda() || tensor.is_mps(); }

// Where kernels find a tensor's numbers.
void* host(const Tensor& tensor) {
  return tensor.is_mps() ? memory<at::kMPS>().host(tensor.data_ptr()) : memory<at::kCUDA>().host(tensor.data_ptr());
}

template <c10::DeviceType TYPE>
struct Gpus final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return TYPE; }
  c10::Device exchangeDevice(c10::Device device) const override {
    c10::Device before = getDevice();
    setDevice(device);
    return before;
  }
  c10::Device getDevice() const override { return {TYPE, Kind<TYPE>::current}; }
  void setDevice(c10::Device device) const override {
    if (device.index() < 0) return;
    Kind<TYPE>::check_index(device.index());
    Kind<TYPE>::current = device.index();
  }
  void uncheckedSetDevice(c10::Device device) const noexcept override {
    if (device.index() >= 0) Kind<TYPE>::current = device.index();
  }
  c10::Stream getStream(c10::Device device) const override { return c10::Stream(c10::Stream::DEFAULT, device); }
  c10::Stream exchangeStream(c10::Stream stream) const override { return stream; }
  c10::DeviceIndex deviceCount() const noexcept override { return Kind<TYPE>::count(); }
};

C10_REGISTER_GUARD_IMPL(CUDA, Gpus<at::kCUDA>)
C10_REGISTER_GUARD_IMPL(MPS, Gpus<at::kMPS>)

template <c10::DeviceType TYPE>
struct On {
  explicit On(int64_t index) : before(Kind<TYPE>::current) {
    Kind<TYPE>::check_index(index);
    Kind<TYPE>::current = index;
  }
  ~On() { Kind<TYPE>::current = before; }
  c10::DeviceIndex before;
};

}  // namespace
