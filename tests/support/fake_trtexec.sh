#!/bin/sh
# Behaves as NVIDIA's trtexec does at its edges: the banner, the options that a version takes, exit
# codes, where messages go, what is left on the disk. It builds nothing.
#
#   FAKE_TRT_VERSION  as in the banner: 8503, 8601, 9300, 100300, 101600, 110100
#   FAKE_TRT_MODE     what happens to a command line that is right; "ok" where it is unset
#   FAKE_TRT_STARTED  file that is made when the engine is being written
version=${FAKE_TRT_VERSION:-100300}
mode=${FAKE_TRT_MODE:-ok}

build=
[ "$version" -lt 100700 ] || build=' [b12]'
if [ "$mode" != mute ]; then
  echo "&&&& RUNNING TensorRT.trtexec [TensorRT v$version]$build # $0 $*"
fi

help() {
  echo "=== Model Options ==="
  echo "  --onnx=<file>               ONNX model"
  i=0
  while [ "$i" -lt 200 ]; do
    echo "  --option$i                  Text about it (default = disabled)"
    i=$((i + 1))
  done
}

error() {
  echo "[11/24/2026-12:00:00] [E] $1" >&2
}

# --- the command line, by version ---

is_from() { [ "$version" -ge "$1" ]; }

knows() {
  case $1 in
    --onnx | --saveEngine | --loadEngine | --minShapes | --optShapes | --maxShapes | --shapes | \
      --memPoolSize | --timingCacheFile | --device | --verbose | --noTF32 | --useCudaGraph | \
      --inputIOFormats | --outputIOFormats) return 0 ;;
    --fp16 | --int8 | --best) ! is_from 110000 ;;
    --bf16) is_from 9000 && ! is_from 110000 ;;
    --stronglyTyped) is_from 9100 ;;
    --builderOptimizationLevel | --skipInference | --versionCompatible) is_from 8600 ;;
    --buildOnly | --workspace | --explicitBatch) ! is_from 100000 ;;
    *) return 1 ;;
  esac
}

for argument in "$@"; do
  case $argument in
    --help | -h)
      [ "$mode" = hang_on_help ] && sleep 1000
      help
      exit 0
      ;;
  esac
done

onnx=
engine=
shapes=0
min=0
opt=0
max=0
skips=0
strong=0
half=0
unknown=
seen=
for argument in "$@"; do
  name=${argument%%=*}
  value=${argument#*=}
  case " $seen " in *" $name "*) unknown="$unknown$name " ;; esac
  seen="$seen $name"
  if ! knows "$name"; then
    error "Unknown option: $name $value"
    unknown="$unknown$name "
  fi
  case $name in
    --onnx) onnx=$value ;;
    --saveEngine) engine=$value ;;
    --minShapes) min=1 ;;
    --optShapes) opt=1 ;;
    --maxShapes) max=1 ;;
    --skipInference | --buildOnly) skips=1 ;;
    --stronglyTyped) strong=1 ;;
    --fp16 | --bf16) half=1 ;;
    --memPoolSize)
      case $value in
        workspace:*[!0-9]* | workspace:) error "Unknown pool or size in $value" && exit 1 ;;
        workspace:*) ;;
        *) error "Unknown pool in $value" && exit 1 ;;
      esac
      ;;
  esac
done
[ "$mode" != unknown ] || { error "Unknown option: --skipInference " && unknown=1; }
if [ -n "$unknown" ]; then
  help
  exit 1
fi
shapes=$((min + opt + max))

if [ ! -r "$onnx" ]; then
  error "Could not open file $onnx"
  error "Failed to parse onnx file"
  exit 1
fi
# A model of the converter says in its metadata which it is.
if grep -aq batch_size "$onnx" || grep -aq output_height "$onnx"; then dynamic=1; else dynamic=0; fi
if [ "$dynamic" = 0 ] && [ "$shapes" != 0 ]; then
  error "Static model does not take explicit shapes since the shape of inference tensors will be determined by the model itself"
  error "Network And Config setup failed"
  exit 1
fi
if [ "$dynamic" = 1 ] && [ "$shapes" != 3 ]; then
  error "the stand-in wants all three shapes of a dynamic model, got $shapes"
  exit 1
fi
if [ "$skips" != 1 ] || { [ "$strong" = 1 ] && [ "$half" = 1 ]; }; then
  error "the stand-in wants to build only, and strong typing without flags"
  exit 1
fi

# --- the build ---

echo "[11/24/2026-12:00:01] [I] === Model Options ==="
echo "[11/24/2026-12:00:01] [I] TensorRT version: $version"
echo "[11/24/2026-12:00:02] [W] [TRT] a warning of no weight" >&2

# Newer versions write the engine as it is being built.
begin_engine() {
  printf 'ftrt, the beginning' >"$engine"
  [ -z "${FAKE_TRT_STARTED:-}" ] || echo $$ >"$FAKE_TRT_STARTED"
}

fail() {
  error "Engine could not be created from network"
  echo "&&&& FAILED TensorRT.trtexec [TensorRT v$version]$build # $0 $*"
  exit 1
}

case $mode in
  ok | slow)
    begin_engine
    [ "$mode" = ok ] || sleep 2
    head -c 5000 /dev/zero | tr '\0' 'e' >"$engine"
    echo "[11/24/2026-12:00:09] [I] Engine built in 7.3 sec."
    echo "&&&& PASSED TensorRT.trtexec [TensorRT v$version]$build # $0 $*"
    ;;
  memory)
    begin_engine
    error "Error[2]: [virtualMemoryBuffer.cpp::resizePhysical::154] Error Code 2: OutOfMemory (Requested size was 8589934592 bytes.)"
    fail "$@"
    ;;
  gpu)
    error "[TRT] createInferRuntime: Error Code 6: API Usage Error (CUDA initialization failure with error: 100. Please check your CUDA installation)"
    fail "$@"
    ;;
  operator)
    error "[TRT] ModelImporter.cpp:768: While parsing node number 7 [LayerNormalization -> \"x\"]:"
    error "[TRT] ModelImporter.cpp:773: ERROR: builtin_op_importers.cpp:5427 In function importFallbackPluginImporter:"
    error "[TRT] UNSUPPORTED_NODE: Assertion failed: creator && \"Plugin not found\""
    error "Failed to parse onnx file"
    fail "$@"
    ;;
  grouped)
    begin_engine
    error "No low-precision conv kernel available for this strongly-typed Conv/ConvTranspose. Consider keeping them in FP32."
    error "Error[10]: Internal Error"
    fail "$@"
    ;;
  implementation)
    begin_engine
    # Tactics that are skipped for want of memory are no failure by themselves.
    echo "[11/24/2026-12:00:02] [W] [TRT] Tactic skipped: insufficient memory" >&2
    error "Error[10]: Could not find any implementation for node {ForeignNode[layers.0.0.norm]}."
    fail "$@"
    ;;
  puzzling)
    printf '[11/24/2026-12:00:03] [E] never seen \033[31m before\n' >&2
    exit 1
    ;;
  crash)
    begin_engine
    kill -s SEGV $$
    ;;
  killed)
    begin_engine
    kill -s KILL $$
    ;;
  small) begin_engine ;;
  nothing) ;;
  hang)
    begin_engine
    sleep 1000
    ;;
  stubborn)
    trap '' INT TERM HUP
    begin_engine
    while :; do
      sleep 1
      printf 'ftrt, again' >"$engine"
    done
    ;;
esac
