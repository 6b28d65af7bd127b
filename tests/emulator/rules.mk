# CUDA sources without a GPU: compiled as host C++, plain (fast) and instrumented (seen by the emulator). Included
# by the Makefile.

emulator := $(BUILD)/emulator
EMULATOR_OPTIMISATION ?= -O2
EMULATOR_FLAGS = -std=c++17 $(EMULATOR_OPTIMISATION) $(debug) $(unrolling) -Wall -Wextra -Wno-unknown-pragmas $(if $(WERROR),-Werror) -pthread -I. \
                  -MMD -MP -DSWAG_SOURCE_DIR='"$(CURDIR)"' \
                  $(if $(SANITIZE),-DEMULATOR_UNWATCHED) $(sanitizers)
# Every access becomes a call of __tsan_*, which the emulator defines: nothing of ThreadSanitizer is linked.
ifneq ($(findstring clang,$(shell $(CXX) --version 2>/dev/null)),)
instrument := -fsanitize=thread -mllvm -tsan-instrument-func-entry-exit=0
# Of the fifth version that clang writes, binutils 2.40 does not understand which lines were inlined where.
debug := -gdwarf-4
# g++ leaves kernels' loops alone; where clang unrolls them all, that is minutes a file for nothing.
unrolling := -mllvm -pragma-unroll-threshold=100 -Wno-pass-failed
else
debug := -g
instrument := -fsanitize=thread --param tsan-instrument-func-entry-exit=0
endif
# Where stack_switch.h has no switch of its own.
EMULATOR_LIBS := $(if $(filter x86_64 amd64,$(shell uname -m)),,-lboost_context) $(BLAS_LIBS)

emulator_objects := $(patsubst %.cpp,$(emulator)/host/%.o,$(filter-out tests/emulator/test_%.cpp,$(wildcard tests/emulator/*.cpp)))
emulator_test_objects := $(patsubst %.cpp,$(emulator)/host/%.o,$(wildcard tests/emulator/test_*.cpp)) \
  $(patsubst %.cu,$(emulator)/instrumented/%.o,$(filter-out tests/emulator/speed.cu,$(wildcard tests/emulator/*.cu)) \
    kernels/limits/instructions.cu)

.PHONY: emulator-test emulator-speed

$(emulator)/dependencies: tools/install_dependencies.sh
	@mkdir -p $(@D)
	@CXX="$(CXX)" BLAS_LIBS="$(BLAS_LIBS)" tools/install_dependencies.sh emulator
	@touch $@

$(emulator)/host/%.o: %.cpp | $(emulator)/dependencies
	@mkdir -p $(@D)
	$(CXX) $(EMULATOR_FLAGS) -Itests/emulator/include -c $< -o $@

$(emulator)/plain/%.o: %.cu | $(emulator)/dependencies
	@mkdir -p $(@D)
	$(CXX) -x c++ $(EMULATOR_FLAGS) -Itests/emulator/include -c $< -o $@

$(emulator)/instrumented/%.o: %.cu | $(emulator)/dependencies
	@mkdir -p $(@D)
	$(CXX) -x c++ $(EMULATOR_FLAGS) $(instrument) -Itests/emulator/include -c $< -o $@

$(emulator)/libemulator.a: $(emulator_objects)
	@rm -f $@
	ar rcs $@ $^

$(emulator)/tests: $(emulator_test_objects) $(emulator)/libemulator.a
	$(CXX) -o $@ $^ $(LINK) $(EMULATOR_LIBS)

$(emulator)/speed: $(emulator)/instrumented/tests/emulator/speed.o $(emulator)/libemulator.a
	$(CXX) -o $@ $^ $(LINK) $(EMULATOR_LIBS)

$(emulator)/speed_plain: $(emulator)/plain/tests/emulator/speed.o $(emulator)/libemulator.a
	$(CXX) -o $@ $^ $(LINK) $(EMULATOR_LIBS)

-include $(shell find $(emulator) -name '*.d' 2>/dev/null)

emulator-test: $(emulator)/tests  ## the emulator's own tests: planted bugs, exact counts
	$(emulator)/tests

emulator-speed: $(emulator)/speed $(emulator)/speed_plain  ## multiply-adds per second through the emulator
	$(emulator)/speed
	$(emulator)/speed_plain
