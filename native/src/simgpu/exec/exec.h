// Runs PTX kernels on the CPU: the execution half of the simulated GPU.
//
// The driver half owns memory, streams and handles; this half owns code. It knows three things:
//
//   Program   a PTX module, scanned: its kernels and globals. Nothing is compiled yet.
//   Kernel    one entry of a Program. prepare() compiles it (once, cached on disk), run() executes a grid.
//   Launch    everything one grid needs, given by the driver; run() keeps no state of its own between launches.
//
// Device addresses are host addresses: the driver reserves one arena (a multiple of 4 KiB, 4 KiB aligned), hands out pieces of it and
// describes which 4 KiB granules may be read or written. Every access of a kernel is checked against that map; what lies outside the arena
// (mapped host memory, managed memory elsewhere) goes through a resolver callback. A bad access ends the grid with a Fault; the process
// never crashes. Memory of the arena must stay mapped (PROT_READ|PROT_WRITE) whatever the map says.
//
// All functions may be called from any thread. None throws.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace simgpu::exec {

// Why a module or kernel could not be made ready.
struct LoadError {
  enum class Kind {
    kInvalidPtx,           // not PTX, or broken PTX: CUDA_ERROR_INVALID_PTX
    kUnsupported,          // something this simulator cannot run, named in the message: CUDA_ERROR_NO_BINARY_FOR_GPU
    kUnresolved,           // an extern symbol nobody defines: CUDA_ERROR_INVALID_PTX (the driver's linker) or NOT_FOUND
    kCompilerUnavailable,  // the compiler process could not be started or died: CUDA_ERROR_JIT_COMPILER_NOT_FOUND
  };
  Kind kind = Kind::kInvalidPtx;
  std::string message;  // for the JIT error log: line, instruction, what to do
};

// A kernel parameter; offset is its place in the packed parameter buffer.
struct Param {
  uint32_t offset = 0;
  uint32_t size = 0;
  uint32_t align = 1;
};

// What the text says about a kernel, known right after Program::load.
struct KernelInfo {
  std::string name;
  std::vector<Param> params;
  uint32_t param_bytes = 0;           // size of the packed parameter buffer
  uint32_t max_threads = 1024;        // from .maxntid or .reqntid, else 1024
  uint32_t required_block[3] = {};    // .reqntid; zeros: any block shape
  uint32_t required_cluster[3] = {};  // .reqnctapercluster; zeros: none
};

// What only compilation tells.
struct CodeInfo {
  uint32_t static_shared_bytes = 0;
  uint32_t local_bytes = 0;  // per thread
  uint32_t registers = 0;    // an estimate: applications only compare it with limits
  bool fibers = false;       // the block's threads run as fibers (barriers, warp exchanges, spin loops)
};

// A module-scope .global or .const variable. The driver allocates and initialises one instance per loaded module.
struct Global {
  enum class Space { kGlobal, kConst };
  // The 8 bytes at `offset` hold the address of globals()[target] plus addend.
  struct Relocation {
    uint64_t offset = 0;
    uint32_t target = 0;
    int64_t addend = 0;
  };
  std::string name;
  Space space = Space::kGlobal;
  bool visible = false;  // findable by name from the host (.visible, or static: nvcc registers those too, so search all of them)
  bool managed = false;  // .attribute(.managed)
  uint64_t size = 0;
  uint32_t align = 1;
  std::vector<uint8_t> initial;  // shorter than size: the rest is zero
  std::vector<Relocation> relocations;
};

// Rights of a 4 KiB granule of the arena.
inline constexpr unsigned kGranuleShift = 12;
inline constexpr uint8_t kReadable = 1;
inline constexpr uint8_t kWritable = 2;

// What a kernel may touch. `granules` has one byte per granule of the arena; the driver may change it while kernels run.
struct MemoryMap {
  uint64_t base = 0;
  uint64_t size = 0;
  const uint8_t* granules = nullptr;
  // Called (rarely) for an address outside the arena or in a granule without the right. Returns where the `bytes` bytes at `address` really
  // lie in this process, or nullptr: illegal address. Called from several threads at once.
  std::function<void*(uint64_t address, size_t bytes, bool write)> resolve;
};

// How a grid ended. Anything but kNone is sticky for the context.
struct Fault {
  enum class Kind {
    kNone,
    kIllegalAddress,      // CUDA_ERROR_ILLEGAL_ADDRESS
    kMisalignedAddress,   // CUDA_ERROR_MISALIGNED_ADDRESS
    kTrap,                // trap, brkpt: CUDA_ERROR_LAUNCH_FAILED (trap: CUDA_ERROR_ILLEGAL_INSTRUCTION is for kIllegalInstruction)
    kAssert,              // __assertfail: CUDA_ERROR_ASSERT
    kIllegalInstruction,  // CUDA_ERROR_ILLEGAL_INSTRUCTION
    kInvalidPc,           // a call through a pointer that is no function: CUDA_ERROR_INVALID_PC
    kStackOverflow,       // CUDA_ERROR_LAUNCH_FAILED
    kDeadlock,            // every thread waits for another: CUDA_ERROR_LAUNCH_TIMEOUT
    kAborted,             // Launch::abort was set
    kOutOfResources,      // no memory for stacks or shared memory: CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES
  };
  Kind kind = Kind::kNone;
  uint64_t address = 0;  // of a bad access
  uint32_t block[3] = {};
  uint32_t thread[3] = {};
  std::string message;  // one line for the log
  explicit operator bool() const { return kind != Kind::kNone; }
};

struct Texture;  // texture.h

// Services a running kernel may ask of the driver; called from several threads at once.
struct DeviceServices {
  std::function<void(std::string_view text)> print;                    // device printf, already formatted; assert messages too
  std::function<uint64_t(uint64_t bytes)> allocate;                    // device-side malloc; 0: no memory
  std::function<void(uint64_t address)> release;                       // device-side free
  std::function<bool(uint64_t handle, uint32_t value)> set_condition;  // of a conditional graph node; false: there is none
  std::function<const Texture*(uint64_t handle)> texture;              // nullptr: there is none
  std::function<const Texture*(uint64_t handle)> surface;
};

// One grid.
struct Launch {
  uint32_t grid[3] = {1, 1, 1};
  uint32_t block[3] = {1, 1, 1};
  uint32_t cluster[3] = {1, 1, 1};  // blocks that run together; divides the grid
  uint32_t dynamic_shared_bytes = 0;
  const void* params = nullptr;       // packed, KernelInfo::param_bytes long; stays valid during run()
  const uint64_t* globals = nullptr;  // address of every Program::globals() entry, in that order
  bool cooperative = false;           // all blocks are resident at once
  uint64_t grid_id = 0;
  uint32_t multiprocessors = 2;  // what the device reports; kernels read %nsmid and %smid
  const MemoryMap* memory = nullptr;
  const DeviceServices* services = nullptr;
  const std::atomic<bool>* abort = nullptr;  // may be null; looked at between blocks, at barriers and in spin loops
};

class Kernel {
 public:
  virtual ~Kernel() = default;
  virtual const KernelInfo& info() const = 0;

  // Compiles on first use (one thread compiles, others wait); afterwards free. A failure is remembered and returned again.
  virtual std::optional<LoadError> prepare() = 0;

  // Only after prepare() succeeded.
  virtual const CodeInfo& code() const = 0;

  // Executes the grid and returns when it has ended; prepares first if nobody did. Blocks are spread over a pool of one thread per core
  // which all concurrent grids share; the calling thread takes part. The driver has already checked dimensions and limits.
  virtual Fault run(const Launch& launch) = 0;
};

class Program {
 public:
  virtual ~Program() = default;

  // Scans PTX text (a trailing NUL is allowed). Several texts are linked: an .extern of one is resolved by a .visible of another.
  // On failure returns nullptr and fills *error. Same text: same Program is cheap, but every call returns its own object.
  static std::shared_ptr<Program> load(const std::vector<std::string_view>& texts, LoadError* error);

  // What is wrong with any of the kernels. Takes a small part of the time that preparing them all would.
  virtual std::optional<LoadError> check() const = 0;

  virtual const std::vector<Global>& globals() const = 0;
  virtual size_t kernel_count() const = 0;
  virtual const std::shared_ptr<Kernel>& kernel(size_t index) const = 0;         // in the order of the text
  virtual std::shared_ptr<Kernel> find_kernel(std::string_view name) const = 0;  // nullptr: no such entry
};

// Most blocks of a cluster; without the kernel's leave, eight.
inline constexpr uint32_t kMaxCluster = 16;
inline constexpr uint32_t kPortableCluster = 8;

// Largest shared memory a block may have, static and dynamic together, and largest block; the driver reports the same values.
inline constexpr uint32_t kMaxSharedBytes = 232448;
inline constexpr uint32_t kMaxThreads = 1024;

}  // namespace simgpu::exec
