#!/bin/sh
# Checks the architecture: each folder includes only itself and folders before it, only a folder's own
# code uses a library, and the core names no Python, libtorch, protobuf or ONNX Runtime.
#
#   layers.sh SOURCE_FOLDER
set -eu
cd "$1"
failed=0

complain() {
  echo "$1"
  failed=1
}

# Folders in the order of the data flow. "src" is the files at the top of src/.
folders="src/base src/port src/formats/zip src/formats/pickle src/formats src/formats/torch
  src/formats/safetensors src/formats/onnx src/state_dict src/network src/network/passes src/graph
  src/graph/passes src judge judge/engine judge/check judge/scan"

# The folders whose files a file includes.
included() {
  grep -hoE '^#include "[a-z_0-9/]+\.h"' "$@" 2>/dev/null | sed 's/.*"\(.*\)"/\1/' | sort -u |
    while read -r header; do
      if [ -e "src/$header" ]; then dirname "src/$header"; elif [ -e "$header" ]; then dirname "$header"; fi
    done | sort -u
}

allowed=
for folder in $folders; do
  allowed="$allowed $folder"
  for other in $(included "$folder"/*.cpp "$folder"/*.h); do
    case " $allowed " in
      *" $other "*) ;;
      *) complain "$folder includes $other, a later folder" ;;
    esac
  done
done

# A header is private to its folder, unless it has the folder's name or is listed here.
public="src/port/files.h src/formats/file_kind.h src/formats/tensors.h src/formats/pickle/skim.h
  src/formats/zip/writer.h src/network/evaluate.h src/network/notes.h src/network/onnx_outline.h
  src/graph/to_onnx.h src/formats/onnx/emulate.h"
for header in $(find src judge -mindepth 2 -name '*.h' ! -path 'src/base/*'); do
  folder=$(dirname "$header")
  [ "$(basename "$header" .h)" != "$(basename "$folder")" ] || continue
  case " $(echo $public) " in *" $header "*) continue ;; esac
  users=$(grep -rlF "#include \"${header#src/}\"" src judge cli verify | grep -v "^$folder/[^/]*$" || true)
  [ -z "$users" ] || complain "$header is private to its folder, but $users includes it"
done

# Who may use which library.
only() {
  pattern=$1
  shift
  for file in $(grep -rlE "$pattern" src judge cli verify tools examples include --include='*.h' --include='*.cpp'); do
    for folder in "$@"; do
      case $file in "$folder"/*) continue 2 ;; esac
    done
    complain "$file uses what only $* may use ($pattern)"
  done
}
only '#include <protozero' src/formats/onnx
only '#include <libdeflate' src/base src/formats/zip verify tools
only '#include <CLI/' cli/words
only '#include <nlohmann' cli verify src/formats/safetensors
only '#include <(ATen|torch|c10)/' verify/torch
only '#include <(png|turbojpeg)' verify/pictures
only '#include <onnxruntime' verify
only '#include <(windows|io|unistd|fcntl|dlfcn|malloc|poll|pthread|signal|spawn|termios|csignal|future|thread)(\.h)?>|#include <sys/' src/port
# Only src/port asks the file system. std::filesystem::path is a type that everyone uses.
only '(fs|filesystem)::(exists|is_[a-z_]+|(symlink_)?status|file_size|create_[a-z_]+|rename|remove(_all)?|(recursive_)?directory_(iterator|entry)|absolute|(weakly_)?canonical|equivalent|read_symlink|temp_directory_path|current_path|last_write_time|copy(_file)?|resize_file|space|permissions|relative|proximate)\>' src/port tools examples
only '#include <(Python|onnx/|google/)' none

# In cli/, the words and the results know neither the work nor each other.
work='convert\.h|verification\.h|trtexec\.h'
for file in $(grep -lE "#include \"\.\./(render/|$work)" cli/words/* || true) \
  $(grep -lE "#include (<CLI/|\"\.\./(words/|$work))" cli/render/* || true); do
  complain "$file includes another step of a command"
done

# Only src/network knows AetherNet's keys.
for word in fc1_gate lk_conv conv_first fused_conv conv_gate error_comp fusion_convs; do
  for file in $(grep -rlw "$word" src judge | grep -v '^src/network/' || true); do
    complain "$file names $word, which only src/network knows"
  done
done

[ "$failed" = 0 ] && echo "the folders are in order"
exit "$failed"
