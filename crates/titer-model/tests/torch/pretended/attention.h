// CUDA's two kernels for attention, and what they ask of their tensors (PyTorch's attention.cu and attention_backward.cu).
#pragma once

#include <torch/csrc/inductor/aoti_torch/generated/c_shim_cuda.h>

#include "operations.h"

namespace {

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

}
