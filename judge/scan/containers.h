/// @file
/// The containers that a scan looks into. Private to this stage.
#pragma once

#include "formats/zip/zip.h"
#include "judge/scan/collector.h"
#include "judge/scan/pickles.h"
#include "port/files.h"

namespace aether2onnx::scans {

/// What the scan of one file works with.
struct Scanned {
  const Input& input;
  const io::Siblings* siblings;  ///< May be null.
  Collector& collector;
  PickleScanner& pickles;
  const Context& context;
};

/// A zip archive that begins at the file's first byte.
void scan_zip(const Scanned& scanned);

/// Says where a file of another kind is a zip archive as well, and looks at the pickles in that.
void scan_as_zip_too(const Scanned& scanned);

/// What state_dict::audit() says of the file. Gives where the last byte that a loader reads ends;
/// nothing where that can't be told.
std::optional<std::uint64_t> scan_tensors(const Scanned& scanned);

}  // namespace aether2onnx::scans
