#include "simgpu/exec/object.h"

#include <elf.h>
#include <sys/mman.h>

#include <cstring>
#include <unordered_map>

namespace simgpu::exec {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kStubBytes = 16;  // jmp *address(%rip), address

size_t align_up(size_t value, size_t align) { return (value + align - 1) / align * align; }

}  // namespace

// One loading; places sections in a single mapping: code, then stubs for far calls and a table of addresses, then data.
class ObjectLoader {
 public:
  ObjectLoader(const uint8_t* bytes, size_t size, std::string* error) : bytes_(bytes), size_(size), error_(error) {}

  std::unique_ptr<CodeObject> load() {
    if (!read_headers() || !place_sections()) return nullptr;
    std::unique_ptr<CodeObject> object(new CodeObject);
    void* memory = mmap(nullptr, total_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return fail("no memory for code");
    memory_ = object->memory_ = static_cast<uint8_t*>(memory);
    object->size_ = total_;
    copy_sections();
    for (const Elf64_Shdr& section : sections_) {
      if (section.sh_type == SHT_RELA && !relocate(section)) return nullptr;
    }
    object->entry_ = find_entry();
    if (!object->entry_) return fail("the object has no kernel");
    if (mprotect(memory_, code_end_, PROT_READ | PROT_EXEC) != 0) return fail("code memory cannot be made executable");
    return object;
  }

 private:
  std::unique_ptr<CodeObject> fail(const std::string& why) {
    *error_ = why;
    return nullptr;
  }
  bool reject(const std::string& why) {
    *error_ = "broken object: " + why;
    return false;
  }

  template <typename T>
  bool read(uint64_t offset, T* value) const {
    if (offset > size_ || size_ - offset < sizeof(T)) return false;
    std::memcpy(value, bytes_ + offset, sizeof(T));
    return true;
  }

  bool read_headers() {
    Elf64_Ehdr header;
    if (!read(0, &header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return reject("not ELF");
    if (header.e_type != ET_REL || header.e_machine != EM_X86_64) return reject("not a relocatable x86-64 object");
    sections_.resize(header.e_shnum);
    for (size_t i = 0; i < sections_.size(); ++i) {
      if (!read(header.e_shoff + i * sizeof(Elf64_Shdr), &sections_[i])) return reject("section table");
      const Elf64_Shdr& section = sections_[i];
      const bool in_file = section.sh_type != SHT_NOBITS && section.sh_type != SHT_NULL;
      if (in_file && (section.sh_offset > size_ || size_ - section.sh_offset < section.sh_size)) return reject("section bounds");
      if (section.sh_type == SHT_SYMTAB) symbols_ = &section;
    }
    if (!symbols_ || symbols_->sh_link >= sections_.size()) return reject("no symbols");
    symbols_ = nullptr;
    for (const Elf64_Shdr& section : sections_) {
      if (section.sh_type == SHT_SYMTAB) symbols_ = &section;
    }
    names_ = &sections_[symbols_->sh_link];
    return true;
  }

  bool place_sections() {
    places_.assign(sections_.size(), 0);
    size_t at = 0;
    place(&at, true);
    stubs_ = align_up(at, kStubBytes);
    const size_t symbol_count = symbols_->sh_size / sizeof(Elf64_Sym);
    code_end_ = align_up(stubs_ + symbol_count * kStubBytes, kPage);
    at = code_end_;
    place(&at, false);
    total_ = align_up(at, kPage);
    return true;
  }

  void place(size_t* at, bool code) {
    for (size_t i = 0; i < sections_.size(); ++i) {
      const Elf64_Shdr& section = sections_[i];
      if (!(section.sh_flags & SHF_ALLOC) || !!(section.sh_flags & SHF_EXECINSTR) != code) continue;
      *at = align_up(*at, section.sh_addralign ? section.sh_addralign : 1);
      places_[i] = *at + 1;  // 0 means not loaded
      *at += section.sh_size;
    }
  }

  void copy_sections() {
    for (size_t i = 0; i < sections_.size(); ++i) {
      if (places_[i] && sections_[i].sh_type != SHT_NOBITS) {
        std::memcpy(memory_ + places_[i] - 1, bytes_ + sections_[i].sh_offset, sections_[i].sh_size);
      }
    }
  }

  const char* name(const Elf64_Sym& symbol) const {
    if (symbol.st_name >= names_->sh_size) return "";
    return reinterpret_cast<const char*>(bytes_ + names_->sh_offset + symbol.st_name);
  }

  bool symbol(size_t index, Elf64_Sym* out) const {
    return index < symbols_->sh_size / sizeof(Elf64_Sym) && read(symbols_->sh_offset + index * sizeof(Elf64_Sym), out);
  }

  // Where the symbol lies; 0 if it is defined nowhere.
  uint64_t address(const Elf64_Sym& symbol) const {
    if (symbol.st_shndx == SHN_UNDEF) return reinterpret_cast<uint64_t>(find_helper(name(symbol)));
    if (symbol.st_shndx >= sections_.size() || !places_[symbol.st_shndx]) return 0;
    return reinterpret_cast<uint64_t>(memory_) + places_[symbol.st_shndx] - 1 + symbol.st_value;
  }

  // A stub in reach of the code: jumps to the symbol, and its second half is the symbol's address.
  uint64_t stub(size_t index, uint64_t target) {
    uint8_t* place = memory_ + stubs_ + index * kStubBytes;
    const uint8_t jump[8] = {0xFF, 0x25, 0x02, 0, 0, 0, 0x90, 0x90};
    std::memcpy(place, jump, sizeof(jump));
    std::memcpy(place + 8, &target, sizeof(target));
    return reinterpret_cast<uint64_t>(place);
  }

  bool relocate(const Elf64_Shdr& table) {
    if (table.sh_info >= sections_.size() || !places_[table.sh_info]) return true;
    for (uint64_t at = 0; at + sizeof(Elf64_Rela) <= table.sh_size; at += sizeof(Elf64_Rela)) {
      Elf64_Rela entry;
      if (!read(table.sh_offset + at, &entry) || !apply(entry, table.sh_info)) return false;
    }
    return true;
  }

  bool apply(const Elf64_Rela& entry, size_t section) {
    const size_t index = ELF64_R_SYM(entry.r_info);
    Elf64_Sym target;
    if (!symbol(index, &target)) return reject("relocation symbol");
    if (entry.r_offset > sections_[section].sh_size || sections_[section].sh_size - entry.r_offset < 4) return reject("relocation place");
    const uint64_t value = address(target);
    if (!value) return reject(std::string("unknown symbol ") + name(target));
    uint8_t* place = memory_ + places_[section] - 1 + entry.r_offset;
    const auto here = reinterpret_cast<uint64_t>(place);
    const bool outside = target.st_shndx == SHN_UNDEF;
    switch (ELF64_R_TYPE(entry.r_info)) {
      case R_X86_64_64:
        return write64(place, value + entry.r_addend, section, entry.r_offset);
      case R_X86_64_PC32:
      case R_X86_64_PLT32:
        return write32(place, (outside ? stub(index, value) : value) + entry.r_addend - here);
      case R_X86_64_GOTPCREL:
      case R_X86_64_GOTPCRELX:
      case R_X86_64_REX_GOTPCRELX:
        return write32(place, stub(index, value) + 8 + entry.r_addend - here);
      default:
        return reject("relocation type " + std::to_string(ELF64_R_TYPE(entry.r_info)));
    }
  }

  bool write64(uint8_t* place, uint64_t value, size_t section, uint64_t offset) {
    if (sections_[section].sh_size - offset < 8) return reject("relocation place");
    std::memcpy(place, &value, sizeof(value));
    return true;
  }

  bool write32(uint8_t* place, uint64_t value) {
    const auto distance = static_cast<int64_t>(value);
    if (distance != static_cast<int32_t>(distance)) return reject("relocation out of range");
    const auto narrow = static_cast<int32_t>(distance);
    std::memcpy(place, &narrow, sizeof(narrow));
    return true;
  }

  KernelEntry find_entry() const {
    Elf64_Sym candidate;
    for (size_t i = 0; symbol(i, &candidate); ++i) {
      if (candidate.st_shndx != SHN_UNDEF && std::strcmp(name(candidate), "simgpu_kernel") == 0) {
        return reinterpret_cast<KernelEntry>(address(candidate));
      }
    }
    return nullptr;
  }

  const uint8_t* bytes_;
  size_t size_;
  std::string* error_;
  std::vector<Elf64_Shdr> sections_;
  std::vector<size_t> places_;
  const Elf64_Shdr* symbols_ = nullptr;
  const Elf64_Shdr* names_ = nullptr;
  size_t stubs_ = 0;
  size_t code_end_ = 0;
  size_t total_ = 0;
  uint8_t* memory_ = nullptr;
};

std::unique_ptr<CodeObject> CodeObject::load(const uint8_t* bytes, size_t size, std::string* error) {
  return ObjectLoader(bytes, size, error).load();
}

CodeObject::~CodeObject() {
  if (memory_) munmap(memory_, size_);
}

}  // namespace simgpu::exec
