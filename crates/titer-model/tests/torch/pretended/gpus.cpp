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
// PRETENDED_CARD     what each is called; `pretended`
// PRETENDED_WRONG    attention that computes wrong: `flash`, `short` (all in 16 bits), `efficient`
// PRETENDED_GONE     after so many operations the driver is gone
// PRETENDED_LOG      a file that says in the end how often each gave memory, a line each
#define USE_CUDA
#include <torch/csrc/inductor/aoti_torch/generated/c_shim_cuda.h>
#include <torch/csrc/inductor/aoti_torch/generated/c_shim_mps.h>

#include <cstring>

#include "attention.h"
#include "devices.h"
#include "operations.h"

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

// As CUDA's runtime has it: a structure that begins with a name, and a number that no other card has.
int cudaGetDeviceProperties_v2(void* properties, int index) {
  if (index >= gpus()) return 101;
  const char* card = std::getenv("PRETENDED_CARD");
  std::memset(properties, 0, 1032);
  std::strncpy(static_cast<char*>(properties), card ? card : "pretended", 255);
  static_cast<char*>(properties)[256] = static_cast<char>(index + 1);
  return 0;
}

}
