# The CUDA backend: libswag_cuda.so beside the program, built wherever nvcc is found. Included by the Makefile.
#
#   NVCC=/path/to/nvcc   CUDA_ARCHITECTURES="75 90"   CUDA=0 (do not build it)

ifndef NVCC
NVCC := $(if $(filter 0,$(CUDA)),,$(shell BUILD=$(BUILD) tools/cuda_toolkit.sh 2>/dev/null))
endif
# Where a program that was linked here finds cuBLAS: absolute, or it would be looked for in the current folder.
cuda_rpath = $(abspath $(dir $(shell command -v $(lastword $(NVCC))))../lib64)
# Turing and Hopper in machine code, and text for whatever comes later; all of them: make cuda-all.
CUDA_ARCHITECTURES ?= 75 90
# Of the programs that use tensor cores: these begin with sm_80.
tensor_core_architectures := 80 90
all_architectures := 75 80 86 89 90 120
code_for = $(foreach a,$(1),-gencode arch=compute_$(a),code=sm_$(a)) \
           -gencode arch=compute_$(lastword $(1)),code=compute_$(lastword $(1))
cuda_code = $(call code_for,$(CUDA_ARCHITECTURES))
# What uses Hopper's own instructions has code for sm_90a alone (nvcc 12), in files of its own: 9.0 is the one capability with
# them, other GPUs never launch these kernels. The text is of compute_90, where they are empty, because no later GPU
# takes that of compute_90a.
hopper_code := -gencode arch=compute_90a,code=sm_90a -gencode arch=compute_90,code=compute_90
hopper_objects := $(BUILD)/cuda/kernels/conv2d/wgmma_cuda.o
CUDA_WERROR ?= -Werror all-warnings
CUDA_FLAGS = -std=c++17 -O3 -lineinfo -I. -Iinclude -Xcompiler -fPIC,-fvisibility=hidden,-Wall,-Wextra \
             $(CUDA_WERROR) -Xptxas -v $(cuda_code)

cuda_sources := $(call sources_in,$(kernel_rooms) src/backend,cu)
cuda_objects := $(patsubst %.cu,$(BUILD)/cuda/%.o,$(cuda_sources))

# What has to wait for the CUDA backend: everything where there is a GPU for it, else nothing but `all`.
gpu := $(if $(NVCC),$(wildcard /dev/nvidia0 /dev/dxg))
cuda_for_gpu := $(if $(gpu),$(BUILD)/libswag_cuda.so)

.PHONY: cuda cuda-all cuda-spills
ifneq ($(NVCC),)
all: $(BUILD)/libswag_cuda.so
else ifneq ($(CUDA),0)
all: cuda-hint
endif

.PHONY: cuda-hint
cuda-hint: $(BUILD)/swag
	@echo "built without CUDA: there is no nvcc; tools/cuda_toolkit.sh --install gets one for this folder (CUDA=0: no such line)"

# ptxas says what each kernel takes; the log lies beside the object. A change of architectures is a change.
$(BUILD)/cuda/architectures: force
	@mkdir -p $(@D); echo '$(NVCC) $(CUDA_ARCHITECTURES)' | cmp -s - $@ || echo '$(NVCC) $(CUDA_ARCHITECTURES)' > $@
.PHONY: force

$(hopper_objects): cuda_code = $(hopper_code)
$(BUILD)/cuda/%.o: %.cu $(BUILD)/cuda/architectures
	@mkdir -p $(@D)
	$(NVCC) $(CUDA_FLAGS) -MMD -MP -MF $(@:.o=.d) -c $< -o $@ 2> $(@:.o=.ptxas) || { cat $(@:.o=.ptxas) >&2; exit 1; }

# The runtime is linked in; cuBLAS is looked for where the toolkit keeps it, too.
$(BUILD)/libswag_cuda.so: $(cuda_objects)
	$(NVCC) -shared -cudart static -o $@ $(cuda_objects) -lcublas \
	  -Xlinker -soname=libswag_cuda.so,-rpath='$$ORIGIN',-rpath=$(cuda_rpath)

# For embedders who want no shared object. `-u swag_cuda_plugin` makes a linker take it: see README.
$(BUILD)/libswag_cuda.a: $(cuda_objects)
	@rm -f $@
	ar rcs $@ $^

-include $(cuda_objects:.o=.d)

cuda: $(BUILD)/libswag_cuda.so $(BUILD)/libswag_cuda.a cuda-spills  ## build the CUDA backend (needs nvcc; NVCC=... says where)

cuda-all:  ## the same for every architecture: sm_75, 80, 86, 89, 90, 120, and PTX
	$(MAKE) BUILD=$(BUILD) CUDA_ARCHITECTURES="$(all_architectures)" cuda

# A spilled register is an access to memory that nobody wrote down.
refuse_spills = @! grep -h -B2 -E '[1-9][0-9]* bytes spill' $(1:.o=.ptxas) || { echo "registers are spilled" >&2; exit 1; }
cuda-spills: $(cuda_objects)
	$(call refuse_spills,$(cuda_objects))
	@echo "no kernel spills registers ($(CUDA_ARCHITECTURES))"
