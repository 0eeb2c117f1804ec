// Operations, through PyTorch's dispatcher.
#pragma once

#include <ATen/EmptyTensor.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/view_native.h>
#include <torch/csrc/inductor/aoti_torch/utils.h>
#include <torch/library.h>

#include "devices.h"

namespace {

using torch::aot_inductor::new_tensor_handle;
using torch::aot_inductor::tensor_handle_to_tensor_pointer;

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

}  // namespace
