"""The names from which the oracle's files are made.

These are the 262 names that scan called harmless before November 2026. The list that scan has today
(src/formats/torch) is shorter; what left the list is generated as well.
"""

NAMES = [(module, name) for module, _, names in (line.partition(": ") for line in """
torch._utils: _rebuild_tensor _rebuild_tensor_v2 _rebuild_tensor_v3 _rebuild_parameter
torch._utils: _rebuild_parameter_with_state _rebuild_qtensor _rebuild_sparse_tensor
torch._utils: _rebuild_meta_tensor_no_storage _rebuild_nested_tensor
torch._tensor: _rebuild_from_type_v2
torch: Size Tensor device bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64
torch: bfloat16 complex32 complex64 complex128 qint8 quint8 qint32 quint4x2 quint2x4 bits8 bits16 bits1x8
torch: bits2x4 bits4x2 float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz float8_e8m0fnu
torch: per_tensor_affine per_tensor_symmetric per_channel_affine per_channel_symmetric
torch: per_channel_affine_float_qparams strided sparse_coo preserve_format contiguous_format channels_last
torch: channels_last_3d BFloat16Storage BoolStorage ByteStorage CharStorage ComplexDoubleStorage
torch: ComplexFloatStorage DoubleStorage FloatStorage HalfStorage IntStorage LongStorage ShortStorage
torch: QInt8Storage QInt32Storage QUInt8Storage QUInt4x2Storage QUInt2x4Storage UntypedStorage BFloat16Tensor
torch: BoolTensor ByteTensor CharTensor DoubleTensor FloatTensor HalfTensor IntTensor LongTensor ShortTensor
torch.nn.parameter: Parameter Buffer
torch.serialization: _get_layout
torch.storage: TypedStorage UntypedStorage _TypedStorage _UntypedStorage
torch.cuda: BFloat16Storage BoolStorage ByteStorage CharStorage ComplexDoubleStorage ComplexFloatStorage
torch.cuda: DoubleStorage FloatStorage HalfStorage IntStorage LongStorage ShortStorage BFloat16Tensor
torch.cuda: BoolTensor ByteTensor CharTensor DoubleTensor FloatTensor HalfTensor IntTensor LongTensor
torch.cuda: ShortTensor
collections: OrderedDict Counter defaultdict deque
builtins: set frozenset bytearray bytes complex slice range int float str bool list tuple dict object
__builtin__: set frozenset bytearray bytes complex slice range xrange int long float str unicode bool list
__builtin__: tuple dict object
_codecs: encode
copyreg: _reconstructor
copy_reg: _reconstructor
torch.torch_version: TorchVersion
argparse: Namespace
types: SimpleNamespace
datetime: datetime date time timedelta timezone
decimal: Decimal
fractions: Fraction
uuid: UUID
pathlib: Path PosixPath WindowsPath PurePath PurePosixPath PureWindowsPath
pathlib._local: Path PosixPath WindowsPath PurePath PurePosixPath PureWindowsPath
numpy: dtype ndarray bool_ float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64
numpy.core.multiarray: scalar _reconstruct
numpy._core.multiarray: scalar _reconstruct
numpy.core.numeric: _frombuffer
numpy._core.numeric: _frombuffer
numpy.dtypes: BoolDType Float16DType Float32DType Float64DType Int8DType Int16DType Int32DType Int64DType
numpy.dtypes: UInt8DType UInt16DType UInt32DType UInt64DType
torch.nn.modules.activation: ReLU ReLU6 LeakyReLU PReLU GELU SiLU Mish ELU Sigmoid Tanh Softmax Softplus
torch.nn.modules.activation: Hardswish Hardsigmoid Hardtanh GLU MultiheadAttention
torch.nn.modules.batchnorm: BatchNorm1d BatchNorm2d SyncBatchNorm
torch.nn.modules.container: Sequential ModuleList ModuleDict ParameterList ParameterDict
torch.nn.modules.conv: Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d
torch.nn.modules.dropout: Dropout Dropout2d
torch.nn.modules.flatten: Flatten Unflatten
torch.nn.modules.instancenorm: InstanceNorm2d
torch.nn.modules.linear: Linear Identity
torch.nn.modules.normalization: LayerNorm GroupNorm RMSNorm
torch.nn.modules.padding: ReflectionPad2d ReplicationPad2d ZeroPad2d ConstantPad2d
torch.nn.modules.pixelshuffle: PixelShuffle PixelUnshuffle
torch.nn.modules.pooling: AvgPool2d MaxPool2d AdaptiveAvgPool2d AdaptiveMaxPool2d
torch.nn.modules.upsampling: Upsample UpsamplingNearest2d UpsamplingBilinear2d
torch.nn.parallel.data_parallel: DataParallel
""".strip().splitlines()) for name in names.split()]
