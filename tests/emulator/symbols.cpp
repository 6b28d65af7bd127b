// Symbols of this program, read from its own ELF file; source lines come from binutils' addr2line.
#include "tests/emulator/symbols.h"

#include <cxxabi.h>
#include <elf.h>
#include <link.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <unordered_set>

namespace emulator {
namespace {

constexpr const char* kKernelTag = "B6kernel";  // of `__global__`, as names are mangled and demangled
constexpr const char* kKernelTagInWords = "[abi:kernel]";

struct Symbol {
  uintptr_t value =
      0;  // in the file: an address without the load base, or an offset into thread-local storage
  size_t bytes = 0;
  std::string name;  // mangled
};

/// What this program's file says about itself. Without a symbol table every name is empty.
struct Program {
  std::string path;
  uintptr_t base = 0;                     // where it was loaded
  std::vector<Symbol> functions, arrays;  // by value

  Program();
};

int first_base(dl_phdr_info* info, size_t, void* base) {  // the program itself comes first
  *static_cast<uintptr_t*>(base) = info->dlpi_addr;
  return 1;
}

/// `_ZZ6kernelPfE4tile`: a variable of a function, and not the guard of one.
bool is_local_variable(const std::string& name) { return name.compare(0, 3, "_ZZ") == 0; }

/// The mangled name of the function that declares a local variable: what lies between `_ZZ` and the
/// variable's own name is the function's encoding followed by an E. The right E is the one for which a
/// function has that name.
std::string declaring_function(const std::unordered_set<std::string>& functions,
                               const std::string& variable) {
  for (size_t end = variable.rfind('E'); end != std::string::npos && end > 3;
       end = variable.rfind('E', end - 1)) {
    std::string function = "_Z" + variable.substr(3, end - 3);
    if (functions.count(function)) return function;
  }
  return "";
}

void read_symbols(Program& program, const std::string& file) {
  const auto* header = reinterpret_cast<const Elf64_Ehdr*>(file.data());
  if (file.size() < sizeof *header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
      header->e_ident[EI_CLASS] != ELFCLASS64) {
    return;
  }
  if (header->e_shoff + uint64_t{header->e_shnum} * sizeof(Elf64_Shdr) > file.size()) return;
  const auto* sections = reinterpret_cast<const Elf64_Shdr*>(file.data() + header->e_shoff);
  for (unsigned i = 0; i < header->e_shnum; ++i) {
    const Elf64_Shdr& table = sections[i];
    if (table.sh_type != SHT_SYMTAB || table.sh_link >= header->e_shnum) continue;
    const Elf64_Shdr& strings = sections[table.sh_link];
    if (table.sh_offset + table.sh_size > file.size()) return;
    if (strings.sh_offset + strings.sh_size > file.size()) return;
    const auto* symbols = reinterpret_cast<const Elf64_Sym*>(file.data() + table.sh_offset);
    for (size_t s = 0; s < table.sh_size / sizeof(Elf64_Sym); ++s) {
      const Elf64_Sym& symbol = symbols[s];
      const unsigned type = ELF64_ST_TYPE(symbol.st_info);
      if (symbol.st_shndx == SHN_UNDEF || symbol.st_name >= strings.sh_size) continue;
      if (type != STT_FUNC && type != STT_TLS) continue;
      Symbol found{symbol.st_value, symbol.st_size, file.data() + strings.sh_offset + symbol.st_name};
      if (type == STT_FUNC) {
        program.functions.push_back(std::move(found));
      } else if (is_local_variable(found.name) && found.name.find("8emulator") == std::string::npos) {
        program.arrays.push_back(std::move(found));
      }
    }
  }
}

Program::Program() {
  char link[4096];
  const ssize_t length = readlink("/proc/self/exe", link, sizeof link);
  if (length > 0) path.assign(link, static_cast<size_t>(length));
  dl_iterate_phdr(first_base, &base);
  std::ifstream in(path, std::ios::binary);
  read_symbols(*this, std::string(std::istreambuf_iterator<char>(in), {}));
  const auto by_value = [](const Symbol& a, const Symbol& b) { return a.value < b.value; };
  std::sort(functions.begin(), functions.end(), by_value);
  std::sort(arrays.begin(), arrays.end(), by_value);
}

const Program& program() {
  static const Program self;
  return self;
}

const Symbol* find_symbol(const std::vector<Symbol>& symbols, uintptr_t value) {
  auto next = std::upper_bound(symbols.begin(), symbols.end(), value,
                               [](uintptr_t v, const Symbol& symbol) { return v < symbol.value; });
  if (next == symbols.begin()) return nullptr;
  --next;
  return value - next->value < std::max<size_t>(next->bytes, 1) ? &*next : nullptr;
}

std::string demangled(const std::string& name) {
  int status = 0;
  char* text = abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status);
  const std::string result = status == 0 ? text : name;
  std::free(text);
  return result;
}

/// "void (anonymous namespace)::scale<float>(float*, int)" -> "scale<float>".
std::string without_parameters(std::string name) {
  for (const std::string noise : {"(anonymous namespace)::", kKernelTagInWords}) {
    for (size_t at = name.find(noise); at != std::string::npos; at = name.find(noise)) {
      name.erase(at, noise.size());
    }
  }
  int depth = 0;
  size_t begin = 0, end = 0;
  for (; end < name.size(); ++end) {
    const char c = name[end];
    if (c == '(' && depth == 0) break;
    depth += (c == '<' || c == '(') - (c == '>' || c == ')');
    if (c == ' ' && depth == 0) begin = end + 1;  // behind the result's type, which templates show
  }
  return name.substr(begin, end - begin);
}

// ---------------------------------------------------------------- lines

std::string relative_path(std::string file) {
  char folder[4096];
  if (getcwd(folder, sizeof folder)) {
    const std::string prefix = std::string(folder) + "/";
    if (file.compare(0, prefix.size(), prefix) == 0) file.erase(0, prefix.size());
  }
  while (file.compare(0, 2, "./") == 0) file.erase(0, 2);
  return file;
}

class Lines {
 public:
  SourceLine find(const void* return_address) {
    if (known_.find(return_address) == known_.end()) load({return_address});
    return known_[return_address];
  }

  /// One run of addr2line for all that is not known yet.
  void load(const std::vector<const void*>& return_addresses) {
    std::vector<const void*> asked;
    std::string command = "addr2line -a -f -i -e '" + program().path + "'";
    for (const void* address : return_addresses) {
      if (!address || !known_.emplace(address, SourceLine()).second) continue;
      char text[32];
      // The call itself ends one byte before the place that it returns to.
      std::snprintf(text, sizeof text, " 0x%zx", reinterpret_cast<uintptr_t>(address) - 1 - program().base);
      command += text;
      asked.push_back(address);
    }
    if (asked.empty()) return;
    FILE* pipe = popen((command + " 2>/dev/null").c_str(), "r");
    if (!pipe) return;
    parse(pipe, asked);
    pclose(pipe);
  }

 private:
  /// Per address a line with it, then per inlined frame, innermost first, a line with the function and one
  /// with file:line.
  void parse(FILE* pipe, const std::vector<const void*>& asked) {
    char text[4096];
    size_t next = 0;
    SourceLine* line = nullptr;
    while (std::fgets(text, sizeof text, pipe)) {
      if (std::strncmp(text, "0x", 2) == 0) {
        if (next == asked.size()) return;
        line = &known_[asked[next++]];
        continue;
      }
      if (!line || !std::fgets(text, sizeof text, pipe)) return;
      char* colon = std::strrchr(text, ':');
      if (!colon || is_kernel_file(line->file)) continue;
      const int number = std::atoi(colon + 1);  // 0 for "?"
      if (number == 0) continue;
      line->file = relative_path(std::string(text, static_cast<size_t>(colon - text)));
      line->line = number;
    }
  }

  std::map<const void*, SourceLine> known_;
};

std::mutex lines_mutex;
Lines& lines() {
  static Lines all;
  return all;
}

}  // namespace

bool is_kernel_file(const std::string& file) {
  return file.size() > 3 && file.compare(file.size() - 3, 3, ".cu") == 0;
}

SourceLine source_line(const void* return_address) {
  const std::lock_guard<std::mutex> lock(lines_mutex);
  return lines().find(return_address);
}

void load_source_lines(const std::vector<const void*>& return_addresses) {
  const std::lock_guard<std::mutex> lock(lines_mutex);
  lines().load(return_addresses);
}

std::string function_name(const void* address) {
  const Symbol* symbol =
      find_symbol(program().functions, reinterpret_cast<uintptr_t>(address) - program().base);
  return symbol ? without_parameters(demangled(symbol->name)) : "";
}

uintptr_t program_base() { return program().base; }

const std::vector<SharedArray>& shared_arrays() {
  static const std::vector<SharedArray> all = [] {
    std::unordered_set<std::string> functions;
    for (const Symbol& symbol : program().functions) functions.insert(symbol.name);
    std::vector<SharedArray> arrays;
    for (const Symbol& symbol : program().arrays) {
      SharedArray array;
      const std::string text = demangled(symbol.name);
      const size_t separator = text.rfind("::");
      array.name = separator == std::string::npos ? text : text.substr(separator + 2);
      array.symbol = declaring_function(functions, symbol.name);
      array.function = without_parameters(demangled(array.symbol));
      array.offset = symbol.value;
      array.bytes = symbol.bytes;
      arrays.push_back(std::move(array));
    }
    return arrays;
  }();
  return all;
}

std::string function_symbol(const void* function) {
  const Symbol* symbol =
      find_symbol(program().functions, reinterpret_cast<uintptr_t>(function) - program().base);
  return symbol ? symbol->name : "";
}

bool is_kernel(const std::string& symbol) { return symbol.find(kKernelTag) != std::string::npos; }

size_t static_shared_bytes(const void* function) {
  const std::string name = function_symbol(function);
  if (name.compare(0, 2, "_Z") != 0) return 0;
  const std::string prefix = "_ZZ" + name.substr(2) + "E";
  size_t bytes = 0;
  for (const Symbol& array : program().arrays) {
    if (array.name.compare(0, prefix.size(), prefix) == 0) bytes += array.bytes;
  }
  return bytes;
}

}  // namespace emulator
