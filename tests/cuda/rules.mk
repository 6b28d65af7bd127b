# The CUDA backend's own programs: swag on the emulator, and the tests of the kernels and of the backend, on the
# emulator and on a GPU. Included by the Makefile.

.PHONY: emulator cuda-test gpu-test gpu-test-build

cuda_test_sources := $(wildcard tests/cuda/*.cu)
cuda_backend_test_objects := $(call object,$(wildcard tests/cuda/*.cpp)) $(BUILD)/obj/tests/main.o

# ---------------------------------------------------------------- on the emulator

# Every program has the kernels first: of inline functions that other objects have too, the linker keeps the first.
plain_kernels := $(patsubst %.cu,$(emulator)/plain/%.o,$(cuda_sources))
instrumented_kernels := $(patsubst %.cu,$(emulator)/instrumented/%.o,$(cuda_sources))
emulator_libraries := $(emulator)/libemulator.a $(BUILD)/libswag.a
emulator_program_objects := $(filter-out $(BUILD)/obj/src/cli/main.o,$(program_objects)) $(emulator_libraries)

$(emulator)/swag: $(plain_kernels) $(emulator)/plain/tests/cuda/emulator/program.o $(emulator_program_objects)
	$(CXX) -o $@ $^ $(LINK) $(EMULATOR_LIBS)

$(emulator)/swag_checked: $(instrumented_kernels) $(emulator)/instrumented/tests/cuda/emulator/program.o \
    $(emulator_program_objects)
	$(CXX) -o $@ $^ $(LINK) $(EMULATOR_LIBS)

# Sanitizers and instrumentation exclude each other.
$(emulator)/cuda_tests: $(if $(SANITIZE),$(plain_kernels),$(instrumented_kernels)) \
    $(patsubst %.cu,$(emulator)/plain/%.o,$(cuda_test_sources)) $(BUILD)/obj/tests/main.o $(emulator_libraries)
	$(CXX) -o $@ $^ $(LINK) $(EMULATOR_LIBS)

$(emulator)/cuda_backend_tests: $(plain_kernels) $(cuda_backend_test_objects) $(emulator_libraries)
	$(CXX) -o $@ $^ $(LINK) $(EMULATOR_LIBS)

emulator: $(emulator)/swag $(emulator)/swag_checked  ## swag with its CUDA kernels on the emulator: --device emulator

ifeq ($(SANITIZE),)
cuda-test: $(emulator)/cuda_tests $(emulator)/cuda_backend_tests emulator  ## test the CUDA kernels and backend without a GPU
	$(emulator)/cuda_tests
	$(emulator)/cuda_backend_tests
	python3 tests/cuda/test_emulator_cli.py $(emulator)/swag
else
# A frame that lives on after its return, in memory of the sanitizer's, would belong to a host thread, not to a fibre.
cuda-test: $(emulator)/cuda_tests
	ASAN_OPTIONS=$$ASAN_OPTIONS:detect_stack_use_after_return=0 $(emulator)/cuda_tests
endif

# ---------------------------------------------------------------- on a GPU

gpu_test_objects := $(patsubst %.cu,$(BUILD)/cuda/%.o,$(cuda_test_sources))

$(BUILD)/cuda/gpu_tests: $(gpu_test_objects) $(cuda_backend_test_objects) $(cuda_objects) $(BUILD)/libswag.a
	$(NVCC) -cudart static -o $@ $^ -lcublas $(BLAS_LIBS) -Xlinker -rpath=$(dir $(NVCC))../lib64

-include $(gpu_test_objects:.o=.d) $(cuda_backend_test_objects:.o=.d)

gpu-test-build: $(BUILD)/cuda/gpu_tests
gpu-test: gpu-test-build  ## test the CUDA kernels and backend on a GPU (needs nvcc; without a GPU: SKIP)
	$(BUILD)/cuda/gpu_tests
