// GPUs that are not there: PyTorch's CUDA devices and Apple's, computed by its processor.
//
// This becomes a `libtorch.so` beside PyTorch's own `libtorch_cpu.so`, in place of the one that opens `libtorch_cuda.so`. It registers what their
// libraries would: memory, devices, operations, and the functions that titer calls by name, with the signatures of PyTorch's headers. What a GPU
// would refuse is refused here too: the processor cannot read a GPU's memory, tensors of two devices do not meet, kernels ask for alignment, memory
// runs out, Apple's has no f64. Settings are of CUDA's:
//
// PRETENDED_GPUS     how many there are; 2
// PRETENDED_MEMORY   bytes of each; 4 GiB
// PRETENDED_SAID     bytes that each says it has; as many as it has
// PRETENDED_WRONG    attention that computes wrong: `flash`, `short` (all in 16 bits), `efficient`
// PRETENDED_GONE     after so many operations the driver is gone
// PRETENDED_LOG      a file that says in the end how often each gave memory, a line each
#define USE_CUDA
#include <ATen/ATen.h>
#include <ATen/EmptyTensor.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/csrc/inductor/aoti_torch/generated/c_shim_cuda.h>
#include <torch/csrc/inductor/aoti_torch/generated/c_shim_mps.h>
#include <torch/csrc/inductor/aoti_torch/utils.h>
#include <torch/library.h>

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
using torch::aot_inductor::new_tensor_handle;
using torch::aot_inductor::tensor_handle_to_tensor_pointer;

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

  static constexpr size_t SPACE = size_t{256} << 30;
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

template <c10::DeviceType TYPE>
void check_number(at::ScalarType number) {
  TORCH_CHECK(TYPE != at::kMPS || number != at::kDouble, "the MPS framework doesn't support float64");
}

template <c10::DeviceType TYPE>
Tensor empty(at::IntArrayRef sizes, std::optional<at::ScalarType> number, std::optional<at::Layout>, std::optional<at::Device> device,
             std::optional<bool>, std::optional<at::MemoryFormat> format) {
  check_number<TYPE>(number.value_or(at::kFloat));
  On<TYPE> on(device && device->has_index() ? device->index() : Kind<TYPE>::current);
  return at::detail::empty_generic(sizes, &memory<TYPE>(), Kind<TYPE>::KEYS, number.value_or(at::kFloat), format);
}

template <c10::DeviceType TYPE>
Tensor empty_strided(at::IntArrayRef sizes, at::IntArrayRef strides, std::optional<at::ScalarType> number, std::optional<at::Layout>,
                     std::optional<at::Device> device, std::optional<bool>) {
  check_number<TYPE>(number.value_or(at::kFloat));
  On<TYPE> on(device && device->has_index() ? device->index() : Kind<TYPE>::current);
  return at::detail::empty_strided_generic(sizes, strides, &memory<TYPE>(), Kind<TYPE>::KEYS, number.value_or(at::kFloat));
}

// The same numbers where the processor may use them.
Tensor lent(const Tensor& tensor) {
  if (!tensor.defined() || !is_gpus(tensor)) return tensor;
  return at::from_blob(host(tensor), tensor.sizes(), tensor.strides(), tensor.options().device(at::kCPU));
}

// An empty tensor becomes one with a result, as `out=` arguments do.
void grow(const Tensor& empty, const Tensor& result) {
  empty.unsafeGetTensorImpl()->set_storage_keep_dtype(result.storage());
  empty.unsafeGetTensorImpl()->set_sizes_and_strides(result.sizes(), result.strides());
}

// The processor's result on a GPU.
template <c10::DeviceType TYPE = at::kCUDA>
Tensor placed(const Tensor& result, c10::DeviceIndex index) {
  TORCH_CHECK(!memory<TYPE>().is_host(result.data_ptr()), "a result lies within an argument, which is not pretended");
  Tensor from = result.is_non_overlapping_and_dense() ? result : result.contiguous();
  Tensor to = empty_strided<TYPE>(from.sizes(), from.strides(), from.scalar_type(), std::nullopt, at::Device(TYPE, index), std::nullopt);
  std::memcpy(host(to), from.data_ptr(), from.nbytes());
  return to;
}

Tensor& copy_(Tensor& self, const Tensor& from, bool) {
  check_driver();
  lent(self).copy_(lent(from));
  return self;
}

// Operations that a number in main memory may meet a GPU's tensor in.
bool takes_numbers(const std::string& name) {
  for (auto known : {"aten::add", "aten::sub", "aten::mul", "aten::div"})
    if (name.rfind(known, 0) == 0) return true;
  return false;
}

// Any operation: its tensors are lent to the processor.
template <c10::DeviceType TYPE>
void on_processor(const c10::OperatorHandle& operation, torch::jit::Stack* stack) {
  check_driver();
  const auto& name = operation.schema().name();
  std::optional<c10::Device> device;
  std::vector<std::pair<Tensor, Tensor>> loans;
  auto lend = [&](const Tensor& tensor) {
    if (!tensor.defined()) return tensor;
    if (!is_gpus(tensor)) {
      TORCH_CHECK(tensor.dim() == 0 && takes_numbers(name),
                  "Expected all tensors to be on the same device, but ", name, " was given one in main memory");
      return tensor;
    }
    TORCH_CHECK(!device || *device == tensor.device(), "Expected all tensors to be on the same device, but ", name, " was given two");
    device = tensor.device();
    // What is empty may have to grow, which what is lent cannot.
    loans.emplace_back(tensor.numel() ? lent(tensor) : at::empty(tensor.sizes(), tensor.options().device(at::kCPU)), tensor);
    return loans.back().first;
  };
  size_t count = operation.schema().arguments().size();
  for (size_t at = stack->size() - count; at < stack->size(); at++) {
    c10::IValue& value = (*stack)[at];
    if (value.isTensor()) {
      value = lend(value.toTensor());
    } else if (value.isTensorList()) {
      c10::List<Tensor> list;
      for (const Tensor& tensor : value.toTensorVector()) list.push_back(lend(tensor));
      value = list;
    } else if (value.isDevice()) {
      value = c10::Device(at::kCPU);
    }
  }
  TORCH_CHECK(device, name, " was asked of a GPU with none of its tensors");
  operation.callBoxed(stack);
  for (auto& [processor, own] : loans)
    if (!own.numel() && processor.numel()) grow(own, placed<TYPE>(processor, device->index()));
  auto returned = [&](const Tensor& result) {
    if (!result.defined()) return result;
    for (auto& [processor, own] : loans)
      if (processor.unsafeGetTensorImpl() == result.unsafeGetTensorImpl()) return own;
    return placed<TYPE>(result, device->index());
  };
  for (size_t at = stack->size() - operation.schema().returns().size(); at < stack->size(); at++) {
    c10::IValue& value = (*stack)[at];
    if (value.isTensor()) {
      value = returned(value.toTensor());
    } else if (value.isTensorList()) {
      c10::List<Tensor> list;
      for (const Tensor& tensor : value.toTensorVector()) list.push_back(returned(tensor));
      value = list;
    }
  }
}

std::tuple<Tensor, Tensor> norm_backward(const Tensor& dy, const Tensor& x, at::IntArrayRef shape, const Tensor& factors,
                                         const std::optional<Tensor>& scale, std::array<bool, 2> wanted) {
  check_driver();
  TORCH_CHECK(wanted[0] && !wanted[1] && shape.size() == 1 && scale, "only what titer asks for is pretended");
  TORCH_CHECK(scale->scalar_type() == x.scalar_type() && dy.scalar_type() == x.scalar_type(), "expected one number type");
  TORCH_CHECK(factors.scalar_type() == (x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat), "expected wide factors");
  auto wide = [](const Tensor& tensor) { return lent(tensor).to(at::kDouble); };
  Tensor normed = wide(x) * wide(factors), through = wide(dy) * wide(*scale);
  Tensor dx = (through - normed * (through * normed).mean(-1, true)) * wide(factors);
  return {placed(dx.to(x.scalar_type()), x.get_device()), Tensor()};
}

// Apple's had none of it in PyTorch 2.11.
Tensor no_take(const Tensor&, const Tensor&) {
  TORCH_CHECK(false, "The operator 'aten::take' is not currently implemented for the MPS device");
}

template <c10::DeviceType TYPE>
void implement(torch::Library& library) {
  library.impl("empty.memory_format", empty<TYPE>);
  library.impl("empty_strided", empty_strided<TYPE>);
  library.impl("as_strided", at::native::as_strided_tensorimpl);
  library.impl("view", at::native::view);
  library.impl("_reshape_alias", at::native::_reshape_alias);
  library.impl("copy_", copy_);
}

TORCH_LIBRARY_IMPL(_, CUDA, library) { library.fallback(torch::CppFunction::makeFromBoxedFunction<&on_processor<at::kCUDA>>()); }
TORCH_LIBRARY_IMPL(_, MPS, library) { library.fallback(torch::CppFunction::makeFromBoxedFunction<&on_processor<at::kMPS>>()); }

TORCH_LIBRARY_IMPL(aten, CUDA, library) {
  implement<at::kCUDA>(library);
  library.impl("_fused_rms_norm_backward", norm_backward);
}

TORCH_LIBRARY_IMPL(aten, MPS, library) {
  implement<at::kMPS>(library);
  library.impl("take", no_take);
}

struct Registered {
  Registered() {
    c10::SetAllocator(at::kCUDA, &memory<at::kCUDA>());
    c10::SetAllocator(at::kMPS, &memory<at::kMPS>());
    std::atexit([] {
      if (const char* path = std::getenv("PRETENDED_LOG")) memory<at::kCUDA>().log(path);
    });
  }
} registered;

// Tensors that functions are given by their handles.

const Tensor& given(AtenTensorHandle handle) { return *tensor_handle_to_tensor_pointer(handle); }

void give(AtenTensorHandle* place, Tensor tensor) { *place = new_tensor_handle(std::move(tensor)); }

// Of one device, in one type, numbers of a head beside each other: what attention's kernels ask for. Its index.
c10::DeviceIndex check_inputs(std::initializer_list<Tensor> tensors, int64_t multiple) {
  const Tensor& first = *tensors.begin();
  for (const Tensor& tensor : tensors) {
    TORCH_CHECK(tensor.is_cuda() && tensor.device() == first.device(), "Expected all tensors to be on the same device");
    TORCH_CHECK(tensor.scalar_type() == first.scalar_type(), "query, key and value must have the same dtype");
    TORCH_CHECK(tensor.dim() == 4 && tensor.stride(3) == 1, "the last dimension must be contiguous");
    TORCH_CHECK(tensor.size(3) % multiple == 0 && tensor.size(3) <= 256, "head_size should be a multiple of 8 and at most 256");
    for (int64_t dim : {0, 1, 2}) TORCH_CHECK(tensor.size(dim) == 1 || tensor.stride(dim) % multiple == 0, "no kernel found to launch");
  }
  return first.get_device();
}

Tensor wide(const Tensor& tensor) { return lent(tensor).to(at::kFloat); }

// Keys or values for each head of queries.
Tensor for_queries(const Tensor& keys, int64_t heads) { return wide(keys).repeat_interleave(heads / keys.size(1), 1); }

// `[rows, heads, len, width]` with heads of a token beside each other, as kernels leave it.
Tensor by_token(const Tensor& tensor) { return tensor.transpose(1, 2).contiguous().transpose(1, 2); }

}  // namespace

extern "C" {

#define SHIMS(KIND)                                                                                                                               \
  AOTITorchError aoti_torch_##KIND##_add_Tensor(AtenTensorHandle a, AtenTensorHandle b, double factor, AtenTensorHandle* out) {                  \
    AOTI_TORCH_CONVERT_EXCEPTION_TO_ERROR_CODE({ give(out, at::add(given(a), given(b), factor)); });                                              \
  }                                                                                                                                               \
  AOTITorchError aoti_torch_##KIND##_add_Scalar(AtenTensorHandle a, double number, double factor, AtenTensorHandle* out) {                       \
    AOTI_TORCH_CONVERT_EXCEPTION_TO_ERROR_CODE({ give(out, at::add(given(a), number, factor)); });                                                \
  }                                                                                                                                               \
  AOTITorchError aoti_torch_##KIND##_mul_Scalar(AtenTensorHandle a, double number, AtenTensorHandle* out) {                                      \
    AOTI_TORCH_CONVERT_EXCEPTION_TO_ERROR_CODE({ give(out, at::mul(given(a), number)); });                                                        \
  }                                                                                                                                               \
  AOTITorchError aoti_torch_##KIND##_addmm_out(AtenTensorHandle out, AtenTensorHandle c, AtenTensorHandle a, AtenTensorHandle b, double beta,    \
                                               double alpha) {                                                                                   \
    AOTI_TORCH_CONVERT_EXCEPTION_TO_ERROR_CODE({                                                                                                  \
      Tensor sum = given(out);                                                                                                                    \
      at::addmm_out(sum, given(c), given(a), given(b), beta, alpha);                                                                              \
    });                                                                                                                                           \
  }

SHIMS(cuda)
SHIMS(mps)

AOTITorchError aoti_torch_cuda__fused_rms_norm(AtenTensorHandle input, const int64_t* shape, int64_t dims, AtenTensorHandle* weight, double* eps,
                                               AtenTensorHandle* out, AtenTensorHandle* factors) {
  AOTI_TORCH_CONVERT_EXCEPTION_TO_ERROR_CODE({
    check_driver();
    const Tensor &x = given(input), &scale = given(*weight);
    TORCH_CHECK(dims == 1 && shape[0] == x.size(-1) && scale.numel() == shape[0], "the shape of what is normed");
    TORCH_CHECK(scale.scalar_type() == x.scalar_type() && scale.device() == x.device(), "expected one number type on one device");
    Tensor numbers = lent(x).to(at::kDouble);
    Tensor rms = (numbers.square().mean(-1, true) + *eps).rsqrt();
    Tensor y = numbers * rms * lent(scale).to(at::kDouble);
    give(out, placed(y.to(x.scalar_type()), x.get_device()));
    give(factors, placed(rms.to(x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat), x.get_device()));
  });
}

AOTITorchError aoti_torch_cuda__scaled_dot_product_flash_attention(
    AtenTensorHandle query, AtenTensorHandle key, AtenTensorHandle value, double dropped, int32_t is_causal, int32_t debug, double* scale,
    AtenTensorHandle* out, AtenTensorHandle* sums, AtenTensorHandle* starts_q, AtenTensorHandle* starts_k, int64_t* longest_q,
    int64_t* longest_k, AtenTensorHandle* random, AtenTensorHandle* unused, AtenTensorHandle* mask) {
  AOTI_TORCH_CONVERT_EXCEPTION_TO_ERROR_CODE({
    check_driver();
    const Tensor &q = given(query), &k = given(key), &v = given(value);
    auto index = check_inputs({q, k, v}, 8);
    TORCH_CHECK(q.scalar_type() == at::kHalf || q.scalar_type() == at::kBFloat16, "FlashAttention only support fp16 and bf16 data type");
    TORCH_CHECK(dropped == 0 && !debug && q.size(1) % k.size(1) == 0, "only what titer asks for is pretended");
    auto [result, log_sums] = at::_scaled_dot_product_flash_attention_for_cpu(
        wide(q), for_queries(k, q.size(1)), for_queries(v, q.size(1)), 0, is_causal && !is_wrong("flash") && !is_wrong("short"), std::nullopt, *scale);
    give(out, placed(by_token(result.to(q.scalar_type())), index));
    give(sums, placed(log_sums.contiguous(), index));
    give(starts_q, Tensor());
    give(starts_k, Tensor());
    *longest_q = q.size(2);
    *longest_k = k.size(2);
    give(random, placed(at::zeros({2}, at::kUInt64), index));
    give(unused, placed(at::zeros({}, at::kUInt64), index));
    give(mask, placed(at::zeros({0}, q.scalar_type()), index));
  });
}

AOTITorchError aoti_torch_cuda__scaled_dot_product_flash_attention_backward(
    AtenTensorHandle gradient, AtenTensorHandle query, AtenTensorHandle key, AtenTensorHandle value, AtenTensorHandle out, AtenTensorHandle sums,
    AtenTensorHandle starts_q, AtenTensorHandle starts_k, int64_t longest_q, int64_t longest_k, double dropped, int32_t is_causal,
    AtenTensorHandle seed, AtenTensorHandle offset, double* scale, AtenTensorHandle* dq, AtenTensorHandle* dk, AtenTensorHandle* dv) {
  AOTI_TORCH_CONVERT_EXCEPTION_TO_ERROR_CODE({
    check_driver();
    const Tensor &q = given(query), &k = given(key), &v = given(value);
    auto index = check_inputs({q, k, v, given(gradient), given(out)}, 8);
    TORCH_CHECK(!given(starts_q).defined() && !given(starts_k).defined(), "only what titer asks for is pretended");
    TORCH_CHECK(longest_q == q.size(2) && longest_k == k.size(2) && dropped == 0, "only what titer asks for is pretended");
    TORCH_CHECK(given(seed).defined() && given(offset).defined(), "the state of random numbers is expected");
    TORCH_CHECK(given(sums).scalar_type() == at::kFloat && given(sums).sizes() == at::IntArrayRef({q.size(0), q.size(1), q.size(2)}),
                "softmax_lse must have shape (batch_size, num_heads, seqlen_q)");
    auto [at_q, at_k, at_v] = at::_scaled_dot_product_flash_attention_for_cpu_backward(
        wide(given(gradient)), wide(q), for_queries(k, q.size(1)), for_queries(v, q.size(1)), wide(given(out)), wide(given(sums)), 0, is_causal,
        std::nullopt, *scale);
    auto of_keys = [&](const Tensor& tensor) {
      return tensor.reshape({k.size(0), k.size(1), -1, k.size(2), k.size(3)}).sum(2).to(q.scalar_type());
    };
    give(dq, placed(by_token(at_q.to(q.scalar_type())), index));
    give(dk, placed(by_token(of_keys(at_k)), index));
    give(dv, placed(by_token(of_keys(at_v)), index));
  });
}

// What memory-efficient attention asks of a bias: every size there, rows that begin where 16 bytes do.
static std::optional<Tensor> checked_bias(const Tensor& bias, const Tensor& q, const Tensor& k) {
  int64_t multiple = 16 / q.element_size();
  TORCH_CHECK(bias.scalar_type() == q.scalar_type(), "invalid dtype for bias - should match query's dtype");
  TORCH_CHECK(bias.device() == q.device() && bias.dim() == 4 && bias.stride(3) == 1, "attn_bias: wrong alignment");
  TORCH_CHECK(bias.sizes() == at::IntArrayRef({q.size(0), q.size(1), q.size(2), k.size(2)}), "attn_bias: wrong shape");
  for (int64_t dim : {0, 1, 2}) TORCH_CHECK(bias.size(dim) == 1 || bias.stride(dim) % multiple == 0, "attn_bias is not correctly aligned");
  TORCH_CHECK(reinterpret_cast<uintptr_t>(bias.data_ptr()) % 16 == 0, "attn_bias is not correctly aligned");
  return wide(bias).contiguous();
}

static int64_t aligned(int64_t queries) { return (queries + 31) / 32 * 32; }

AOTITorchError aoti_torch_cuda__scaled_dot_product_efficient_attention(
    AtenTensorHandle query, AtenTensorHandle key, AtenTensorHandle value, AtenTensorHandle* bias, int32_t with_sums, double dropped, int32_t is_causal,
    double* scale, AtenTensorHandle* out, AtenTensorHandle* sums, AtenTensorHandle* seed, AtenTensorHandle* offset) {
  AOTI_TORCH_CONVERT_EXCEPTION_TO_ERROR_CODE({
    check_driver();
    const Tensor &q = given(query), &k = given(key), &v = given(value);
    auto index = check_inputs({q, k, v}, 16 / q.element_size());
    TORCH_CHECK(q.scalar_type() != at::kDouble, "expected f32 or 16 bits");
    TORCH_CHECK(dropped == 0 && with_sums && q.size(1) == k.size(1) && q.size(1) == v.size(1), "as many heads of keys as of queries are expected");
    bool wrong = is_wrong("efficient") || (is_wrong("short") && q.element_size() == 2);
    auto mask = bias ? checked_bias(given(*bias), q, k) : std::nullopt;
    auto [result, log_sums] = at::_scaled_dot_product_flash_attention_for_cpu(wide(q), wide(k), wide(v), 0, is_causal && !wrong, wrong ? std::nullopt : mask, *scale);
    Tensor all = at::full({q.size(0), q.size(1), aligned(q.size(2))}, std::numeric_limits<float>::infinity(), at::kFloat);
    all.narrow(2, 0, q.size(2)).copy_(log_sums);
    give(out, placed(by_token(result.to(q.scalar_type())), index));
    give(sums, placed(all, index));
    give(seed, placed(at::zeros({}, at::kLong), index));
    give(offset, placed(at::zeros({}, at::kLong), index));
  });
}

AOTITorchError aoti_torch_cuda__scaled_dot_product_efficient_attention_backward(
    AtenTensorHandle gradient, AtenTensorHandle query, AtenTensorHandle key, AtenTensorHandle value, AtenTensorHandle bias, AtenTensorHandle out,
    AtenTensorHandle sums, AtenTensorHandle seed, AtenTensorHandle offset, double dropped, const int32_t* wanted, int64_t wants, int32_t is_causal,
    double* scale, AtenTensorHandle* dq, AtenTensorHandle* dk, AtenTensorHandle* dv, AtenTensorHandle* d_bias) {
  AOTI_TORCH_CONVERT_EXCEPTION_TO_ERROR_CODE({
    check_driver();
    const Tensor &q = given(query), &k = given(key), &v = given(value);
    auto index = check_inputs({q, k, v, given(gradient), given(out)}, 16 / q.element_size());
    TORCH_CHECK(wants == 4 && wanted[0] && wanted[1] && wanted[2] && !wanted[3] && dropped == 0, "only what titer asks for is pretended");
    TORCH_CHECK(given(seed).defined() && given(offset).defined(), "the state of random numbers is expected");
    const Tensor& log_sums = given(sums);
    TORCH_CHECK(log_sums.scalar_type() == at::kFloat && log_sums.dim() == 3 && log_sums.size(2) == aligned(q.size(2)),
                "log-sums of so many queries are expected, filled up to a multiple of 32");
    auto mask = given(bias).defined() ? checked_bias(given(bias), q, k) : std::nullopt;
    auto [at_q, at_k, at_v] = at::_scaled_dot_product_flash_attention_for_cpu_backward(
        wide(given(gradient)), wide(q), wide(k), wide(v), wide(given(out)), wide(log_sums).narrow(2, 0, q.size(2)).contiguous(), 0, is_causal, mask,
        *scale);
    give(dq, placed(by_token(at_q.to(q.scalar_type())), index));
    give(dk, placed(by_token(at_k.to(q.scalar_type())), index));
    give(dv, placed(by_token(at_v.to(q.scalar_type())), index));
    give(d_bias, Tensor());
  });
}

AOTITorchError aoti_torch_create_cuda_guard(int32_t index, CUDAGuardHandle* guard) {
  AOTI_TORCH_CONVERT_EXCEPTION_TO_ERROR_CODE({ *guard = reinterpret_cast<CUDAGuardHandle>(new On<at::kCUDA>(index)); });
}

AOTITorchError aoti_torch_delete_cuda_guard(CUDAGuardHandle guard) {
  AOTI_TORCH_CONVERT_EXCEPTION_TO_ERROR_CODE({ delete reinterpret_cast<On<at::kCUDA>*>(guard); });
}

// As CUDA's runtime has it: of the current device, 0 where all went well.
int cudaMemGetInfo(size_t* free, size_t* all) {
  auto current = Kind<at::kCUDA>::current;
  if (current >= gpus()) return 101;
  *all = setting("PRETENDED_SAID", memory<at::kCUDA>().limit());
  *free = *all - std::min(*all, memory<at::kCUDA>().used(current));
  return 0;
}

}
