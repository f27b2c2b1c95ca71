/// @file
/// What a generation of AetherNet gives to the table in recognise.cpp. Private to this stage.
#pragma once

#include <optional>
#include <span>

#include "network/network.h"
#include "network/view.h"

namespace aether2onnx::network {

/// A named variant: every group has as many blocks.
struct Variant {
  const char* name = "";
  std::int64_t embed_dim = 0;
  std::int64_t groups = 0;
  std::int64_t blocks = 0;  ///< In each group.
  std::int64_t hidden_dim = 0;
  std::int64_t large_kernel = 0;
  std::int64_t small_kernel = 0;
  /// Nothing where the generation has none, or it isn't known.
  std::optional<bool> channel_attention;
  std::optional<bool> spatial_attention;
};

/// The variant that the facts are of, or "custom". A small kernel that isn't known fits any.
std::string variant_of(std::span<const Variant> variants, const NetworkInfo& facts);

/// How the named variant of these facts groups its blocks, where there is one with as many; empty
/// otherwise.
std::vector<std::int64_t> depths_of_variant(std::span<const Variant> variants, NetworkInfo facts);

/// One row of the table.
struct Generation {
  /// Of the generations that the row describes; all have the same keys.
  std::span<const char* const> names;
  std::span<const Variant> variants;
  /// Whether the state dict's keys are of this generation, judged by its fingerprint: true also
  /// where keys are missing or wrong, so that describe() can say which.
  bool (*fits)(const View& view);
  /// Of several that fit, the one that the evidence is for.
  bool (*is_likely)(const View& view);
  /// The description; throws as recognise() does.
  Network (*describe)(const View& view, const ReadOptions& options);
  /// The network of this generation that a graph is of, as recognise() gives it.
  std::optional<Network> (*recognise)(const Outline& outline, const NetworkInfo& hint);
};

extern const Generation kGeneration1;
extern const Generation kGeneration2;
extern const Generation kGeneration3;
extern const Generation kGeneration4;
extern const Generation kGeneration5First;
extern const Generation kGeneration5;
extern const Generation kGeneration5x;
extern const Generation kGeneration6;
extern const Generation kGeneration7;

}  // namespace aether2onnx::network
