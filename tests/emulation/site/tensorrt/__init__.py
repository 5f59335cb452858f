"""A double of TensorRT for tests: a plan is an ONNX graph with a header, its engine runs on the emulated GPU's memory.

Only what radar-edge uses, as TensorRT 10.3 has it. Work is put into the stream and runs when that is synchronised.
"""

from __future__ import annotations

import ctypes
import enum
import json
import os
import weakref
from math import prod

import numpy as np
import onnxruntime as ort

__version__ = os.environ.get("EMU_TENSORRT", "10.3.0")
MAGIC = b"EMUPLAN\0"
SCRATCH = 4096
_cuda = ctypes.CDLL("libcuda.so.1")
_cuda.emu_gpu_reads.argtypes = [ctypes.c_uint64, ctypes.c_size_t]
_cuda.emu_report.argtypes = [ctypes.c_char_p]
_cuda.cuLaunchHostFunc.argtypes = [ctypes.c_uint64, ctypes.c_void_p, ctypes.c_void_p]
_HOST_FUNCTION = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(int64)": np.int64}


class DataType(enum.Enum):
    FLOAT, HALF, INT64 = range(3)


class TensorIOMode(enum.Enum):
    NONE, INPUT, OUTPUT = range(3)


class ExecutionContextAllocationStrategy(enum.Enum):
    STATIC, ON_PROFILE_CHANGE, USER_MANAGED = range(3)


class NetworkDefinitionCreationFlag(enum.IntEnum):
    EXPLICIT_BATCH, STRONGLY_TYPED = range(2)


class MemoryPoolType(enum.Enum):
    WORKSPACE = 0


class ProfilingVerbosity(enum.Enum):
    LAYER_NAMES_ONLY, NONE, DETAILED = range(3)


class LayerInformationFormat(enum.Enum):
    ONELINE, JSON = range(2)


class Severity(enum.IntEnum):
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)


class ILogger:
    Severity = Severity


class IProgressMonitor:
    pass


def _gpu() -> str:
    return os.environ.get("EMU_GPU", "Emulated")


def make_plan(graph: bytes) -> bytes:
    header = json.dumps({"tensorrt": __version__, "gpu": _gpu()}).encode()
    return MAGIC + len(header).to_bytes(4, "little") + header + graph


def _session(graph: bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


class Runtime:
    def __init__(self, logger) -> None:
        self.logger = logger

    def deserialize_cuda_engine(self, plan: bytes):
        if not plan.startswith(MAGIC):
            self.logger.log(Severity.ERROR, "Magic tag does not match")
            return None
        size = int.from_bytes(plan[8:12], "little")
        try:
            header = json.loads(plan[12 : 12 + size])
            if header["tensorrt"] != __version__:
                text = f"expecting library version {__version__} got {header['tensorrt']}"
                self.logger.log(Severity.ERROR, f"the engine plan file is not compatible with TensorRT, {text}")
                return None
            if header["gpu"] != _gpu():
                self.logger.log(Severity.ERROR, f"generated on an incompatible device, {header['gpu']}")
                return None
            return ICudaEngine(_session(plan[12 + size :]), self.logger)
        except Exception as error:  # noqa: BLE001 - told to the log, as TensorRT does
            self.logger.log(Severity.ERROR, str(error))
            return None


class ICudaEngine:
    def __init__(self, session: ort.InferenceSession, logger) -> None:
        self.session, self.logger = session, logger
        self.inputs = {node.name: node for node in session.get_inputs()}
        self.outputs = {node.name: node for node in session.get_outputs()}
        self.nodes = {**self.inputs, **self.outputs}
        self.contexts = 0
        # Engines of more inputs need more scratch memory.
        self.device_memory_size_v2 = SCRATCH * len(self.inputs)

    @property
    def num_io_tensors(self) -> int:
        return len(self.nodes)

    def get_tensor_name(self, index: int) -> str:
        return list(self.nodes)[index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if name in self.inputs else TensorIOMode.OUTPUT

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return tuple(side if isinstance(side, int) else -1 for side in self.nodes[name].shape)

    def get_tensor_dtype(self, name: str) -> DataType:
        return {"tensor(float)": DataType.FLOAT, "tensor(float16)": DataType.HALF}[self.nodes[name].type]

    def create_execution_context(self, strategy: ExecutionContextAllocationStrategy):
        if not _cuda.emu_current():
            self.logger.log(Severity.ERROR, "no CUDA context")
            return None
        if strategy is not ExecutionContextAllocationStrategy.USER_MANAGED:
            raise ValueError("the double knows user-managed memory only")
        return IExecutionContext(self)

    def create_engine_inspector(self):
        return EngineInspector(self)


class EngineInspector:
    def __init__(self, engine: ICudaEngine) -> None:
        self.engine = engine

    def get_engine_information(self, _format: LayerInformationFormat) -> str:
        int8 = int(os.environ.get("EMU_INT8_LAYERS", "1000"))
        layers = [{"Outputs": [{"Format/Datatype": "Row major linear INT8"}]}] * int8
        return json.dumps({"Layers": [*layers, {"Outputs": [{"Format/Datatype": "Row major linear FP32"}]}]})


class IExecutionContext:
    def __init__(self, engine: ICudaEngine) -> None:
        self.engine = engine
        self.addresses: dict[str, int] = {}
        self.scratch = (0, 0)
        self.keep: list = []

    def __del__(self) -> None:
        if not _cuda.emu_current():
            _cuda.emu_report(b"an execution context outlived the CUDA context")

    def set_tensor_address(self, name: str, address: int) -> bool:
        node = self.engine.nodes.get(name)
        if node is None or not _cuda.emu_gpu_reads(address, self.bytes_of(name)):
            self.engine.logger.log(Severity.ERROR, f"{name} has no memory that the GPU reads")
            return False
        self.addresses[name] = address
        return True

    def bytes_of(self, name: str) -> int:
        node = self.engine.nodes[name]
        return prod(node.shape) * np.dtype(_DTYPES[node.type]).itemsize

    def set_device_memory(self, memory: int, size: int) -> None:
        self.scratch = (memory, size)

    def execute_async_v3(self, stream_handle: int) -> bool:
        logger = self.engine.logger
        if set(self.addresses) != set(self.engine.nodes):
            logger.log(Severity.ERROR, "not every tensor has an address")
            return False
        if self.scratch[1] < self.engine.device_memory_size_v2:
            logger.log(Severity.ERROR, "no scratch memory")
            return False
        me = weakref.ref(self)  # no circle: a context must be gone once nobody has it
        function = _HOST_FUNCTION(lambda _data: me().run() if me() else _cuda.emu_report(b"the context is gone"))
        self.keep.append(function)  # a captured graph may call it again
        return _cuda.cuLaunchHostFunc(stream_handle, ctypes.cast(function, ctypes.c_void_p), None) == 0

    def run(self) -> None:
        for name, (address, size) in {
            "scratch": self.scratch,
            **{name: (address, self.bytes_of(name)) for name, address in self.addresses.items()},
        }.items():
            if not _cuda.emu_gpu_reads(address, size):
                _cuda.emu_report(f"the engine ran on memory of {name} that is gone".encode())
                return
        view = self.view(*self.scratch)
        view[...] = 0xAB
        results = self.engine.session.run(
            list(self.engine.outputs), {name: self.tensor(name) for name in self.engine.inputs}
        )
        if not (view == 0xAB).all():
            _cuda.emu_report(b"two engines used the scratch memory at once")
        for name, array in zip(self.engine.outputs, results, strict=True):
            self.tensor(name)[...] = array

    def view(self, address: int, size: int) -> np.ndarray:
        return np.ctypeslib.as_array(ctypes.cast(address, ctypes.POINTER(ctypes.c_uint8)), (size,))

    def tensor(self, name: str) -> np.ndarray:
        node = self.engine.nodes[name]
        return self.view(self.addresses[name], self.bytes_of(name)).view(_DTYPES[node.type]).reshape(node.shape)


# --- building


class INetworkDefinition:
    def __init__(self) -> None:
        self.graph = b""
        self.num_layers = 0


class _ParserError:
    def __init__(self, text: str) -> None:
        self.text = text

    def desc(self) -> str:
        return self.text


class OnnxParser:
    def __init__(self, network: INetworkDefinition, logger) -> None:
        self.network, self.logger, self.errors = network, logger, []

    @property
    def num_errors(self) -> int:
        return len(self.errors)

    def get_error(self, index: int) -> _ParserError:
        return self.errors[index]

    def parse(self, graph: bytes) -> bool:
        try:
            _session(graph)
        except Exception:  # noqa: BLE001 - told by get_error, as TensorRT does
            self.errors = [_ParserError("Failed to parse the ONNX model")]
            return False
        self.network.graph, self.network.num_layers = graph, 20
        return True


class ITimingCache:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def serialize(self) -> bytes:
        return self.data or b"EMUCACHE"


class IBuilderConfig:
    def __init__(self) -> None:
        self.progress_monitor = None
        self.builder_optimization_level = 3
        self.profiling_verbosity = ProfilingVerbosity.DETAILED
        self.limits: dict[MemoryPoolType, int] = {}

    def set_memory_pool_limit(self, pool: MemoryPoolType, size: int) -> None:
        self.limits[pool] = size

    def create_timing_cache(self, data: bytes) -> ITimingCache:
        return ITimingCache(data)

    def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool:
        return True


class Builder:
    def __init__(self, logger) -> None:
        self.logger = logger

    def create_network(self, flags: int) -> INetworkDefinition:
        if flags != 1 << NetworkDefinitionCreationFlag.STRONGLY_TYPED:
            raise ValueError("the double builds strongly typed networks only")
        return INetworkDefinition()

    def create_builder_config(self) -> IBuilderConfig:
        return IBuilderConfig()

    def build_serialized_network(self, network: INetworkDefinition, config: IBuilderConfig):
        if os.environ.get("EMU_BUILD_FAILS", "") and b"QuantizeLinear" in network.graph:
            self.logger.log(Severity.ERROR, "Could not find any implementation for node")
            return None
        if config.progress_monitor is not None:
            config.progress_monitor.phase_start("Building engine", None, 2)
            config.progress_monitor.step_complete("Building engine", 0)
            config.progress_monitor.step_complete("Building engine", 1)
            config.progress_monitor.phase_finish("Building engine")
        return make_plan(network.graph)
