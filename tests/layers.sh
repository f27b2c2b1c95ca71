#!/bin/sh
# Checks the architecture: each stage includes only itself and stages before it, nothing includes a
# library that isn't its own, and the core names no Python, libtorch, protobuf or ONNX Runtime.
#
#   layers.sh SOURCE_FOLDER
set -eu
cd "$1"
failed=0

complain() {
  echo "$1"
  failed=1
}

# Stages in the order of the data flow; base and io come first.
stages="base io archive pickle state_dict network fusion checkpoint graph precision onnx tensorrt report check scan"
allowed=
for stage in $stages; do
  allowed="$allowed $stage"
  for included in $(grep -rhoE '^#include "[a-z_0-9]+/' "src/$stage" | sed 's/.*"//; s/\///' | sort -u); do
    case " $allowed " in
      *" $included "*) ;;
      *) complain "src/$stage includes $included, a later stage" ;;
    esac
  done
done

# One public header a stage: others are included only from within their own folder.
for header in $(find src -mindepth 2 -name '*.h' ! -path 'src/base/*'); do
  stage=$(basename "$(dirname "$header")")
  [ "$(basename "$header" .h)" = "$stage" ] && continue
  users=$(grep -rlF "#include \"$stage/$(basename "$header")\"" src cli verify | grep -v "^src/$stage/" || true)
  [ -z "$users" ] || complain "$header is private to its stage, but $users includes it"
done

# Who may use which library.
only() {
  pattern=$1
  shift
  for file in $(grep -rlE "$pattern" src cli verify tools examples include --include='*.h' --include='*.cpp'); do
    case " $* " in
      *" $(echo "$file" | cut -d/ -f1,2) "* | *" $(echo "$file" | cut -d/ -f1) "*) ;;
      *) complain "$file uses what only $* may use ($pattern)" ;;
    esac
  done
}
only '#include <zip\.h>' src/archive tools
only '#include <protozero' src/onnx
only '#include <nettle' src/base
only '#include <libdeflate' src/base
only '#include <CLI/' cli
only '#include <nlohmann' cli verify src/state_dict
only '#include <(ATen|torch|c10)/' verify
only '#include <onnxruntime' verify
only '#include <(unistd|fcntl|dlfcn)\.h>|#include <sys/' src/io cli verify
only '#include <(Python|onnx/|google/)' none

# Only the network stage knows AetherNet's keys.
for word in fc1_gate lk_conv conv_first fused_conv conv_gate error_comp fusion_convs; do
  for file in $(grep -rlw "$word" src | grep -v '^src/network/' || true); do
    complain "$file names $word, which only src/network knows"
  done
done

[ "$failed" = 0 ] && echo "the stages are in order"
exit "$failed"
