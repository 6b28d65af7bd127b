# The CUDA backend's own programs: swag on the emulator, and the tests of the kernels and of the backend, on the
# emulator and on a GPU. Included by the Makefile.

.PHONY: emulator cuda-test kernel-report kernel-record kernel-loops predictions \
  predictions-record gpu-test gpu-test-build

cuda_test_sources := $(wildcard tests/cuda/*.cu)
cuda_backend_test_objects := $(call object,$(wildcard tests/cuda/*.cpp)) $(BUILD)/obj/tests/main.o $(codec_objects)

# ---------------------------------------------------------------- on the emulator

# Every program has the kernels first: of inline functions that other objects have too, the linker keeps the first.
plain_kernels := $(patsubst %.cu,$(emulator)/plain/%.o,$(cuda_sources))
instrumented_kernels := $(patsubst %.cu,$(emulator)/instrumented/%.o,$(cuda_sources))
emulator_libraries := $(emulator)/libemulator.a $(BUILD)/libswag.a
emulator_program_objects := $(filter-out $(BUILD)/obj/src/cli/main.o,$(program_objects)) $(emulator_libraries)

$(emulator)/swag: $(plain_kernels) $(emulator)/plain/tests/cuda/emulator/program.o $(emulator_program_objects)
	$(CXX) -o $@ $^ $(LINK) $(CODEC_LIBS) $(EMULATOR_LIBS)

$(emulator)/swag_checked: $(instrumented_kernels) $(emulator)/instrumented/tests/cuda/emulator/program.o \
    $(emulator_program_objects)
	$(CXX) -o $@ $^ $(LINK) $(CODEC_LIBS) $(EMULATOR_LIBS)

# Sanitizers and instrumentation exclude each other.
$(emulator)/cuda_tests: $(if $(SANITIZE),$(plain_kernels),$(instrumented_kernels)) \
    $(patsubst %.cu,$(emulator)/plain/%.o,$(cuda_test_sources)) $(BUILD)/obj/tests/main.o $(emulator_libraries)
	$(CXX) -o $@ $^ $(LINK) $(EMULATOR_LIBS)

$(emulator)/kernel_counts: $(instrumented_kernels) $(BUILD)/obj/tests/cuda/emulator/kernel_counts.o $(emulator_libraries)
	$(CXX) -o $@ $^ $(LINK) $(EMULATOR_LIBS)

# Its launches and products take the place of the archive's, so it comes first.
$(emulator)/launch_list: $(emulator)/host/tests/cuda/emulator/launch_list.o $(plain_kernels) $(emulator_libraries)
	$(CXX) -o $@ $^ $(LINK) $(EMULATOR_LIBS)

$(emulator)/cuda_backend_tests: $(plain_kernels) $(cuda_backend_test_objects) $(emulator_libraries)
	$(CXX) -o $@ $^ $(LINK) $(CODEC_LIBS) $(EMULATOR_LIBS)

-include $(BUILD)/obj/tests/cuda/emulator/kernel_counts.d

emulator: $(emulator)/swag $(emulator)/swag_checked  ## swag with its CUDA kernels on the emulator: --device emulator

ifeq ($(SANITIZE),)
# Kernels and backend beside each other: neither keeps two cores busy.
cuda-test: $(emulator)/cuda_tests $(emulator)/cuda_backend_tests $(emulator)/limits $(emulator)/launch_list emulator  ## test the CUDA kernels and backend without a GPU
	$(emulator)/cuda_tests & kernels=$$!; $(emulator)/cuda_backend_tests; backend=$$?; wait $$kernels && exit $$backend
	$(emulator)/limits
	$(emulator)/limits --instructions
	python3 tests/cuda/test_emulator_cli.py $(emulator)/swag
else
# A frame that lives on after its return, in memory of the sanitizer's, would belong to a host thread, not to a fibre.
cuda-test: $(emulator)/cuda_tests
	ASAN_OPTIONS=$$ASAN_OPTIONS:detect_stack_use_after_return=0 $(emulator)/cuda_tests
endif

# ---------------------------------------------------------------- what kernels move
# Counts from the emulator, registers and occupancy from ptxas where there is an nvcc, against what is recorded.

# So small that counting takes a minute; channels, and so the kernels chosen, are those of large images.
counted_networks := vgg19:32 resnet50:64 vgg19:32:tf32
record := docs/results/kernel_counts
ladder_report = tools/kernel_report.py $(emulator)/ladder_counts.json \
  $(if $(NVCC),$(addprefix --ptxas ,$(ladder_step_objects:.o=.ptxas))) $(addprefix --arch sm_,$(tensor_core_architectures))
op_report = tools/kernel_report.py $(emulator)/op_counts.json \
  $(if $(NVCC),$(addprefix --ptxas ,$(cuda_objects:.o=.ptxas))) $(addprefix --arch sm_,$(CUDA_ARCHITECTURES))
counted := $(emulator)/ladder_counts.json $(emulator)/op_counts.json
compiled = $(if $(NVCC),$(ladder_step_objects) $(cuda_objects))

$(emulator)/op_counts.json: $(emulator)/kernel_counts
	$(emulator)/kernel_counts $@.new $(counted_networks)
	@mv $@.new $@

kernel-report: $(counted) $(compiled)  ## what each kernel moves; fails where a fast one got worse
	$(ladder_report) --check $(record)_ladder.json
	$(op_report) --check $(record).json

kernel-record: $(counted) $(compiled)  ## write down today's counts for kernel-report
	$(ladder_report) --record $(record)_ladder.json > /dev/null
	$(op_report) --record $(record).json > /dev/null

# ---------------------------------------------------------------- what a GPU should take
# Predicted by tools/gpu_model.py from the launches of evaluations and the main loops of kernels. The loops are recorded,
# because few have a cuobjdump: after a change of a kernel's inner loop, make kernel-loops.

CUOBJDUMP ?= $(dir $(lastword $(NVCC)))cuobjdump
predicted_architectures := 80 89 90
predicted_in = $(foreach network,vgg19 resnet50,$(foreach size,512 1024,$(addprefix $(network):$(size):,$(1))))
predicted := $(call predicted_in,single tf32 half)
predicted_on_90 := $(call predicted_in,tf32+wgmma half+wgmma)
lists := $(patsubst %,$(emulator)/launches_%.jsonl,$(predicted_architectures))
multiplying := $(addprefix kernels/,$(addprefix conv2d/,gemm_cuda image_forward_cuda image_backward_cuda tensor_tf32_cuda \
  tensor_float16_cuda tensor_bfloat16_cuda wgmma_cuda) gram_tensor_cuda)
loops := $(patsubst %,$(BUILD)/cuda/loops/%.sass,$(multiplying))
PREDICTION_OPTIONS ?=

$(lists): $(emulator)/launches_%.jsonl: $(emulator)/launch_list
	$< sm_$* $(predicted) $(predicted_on_$*) > $@.new
	@mv $@.new $@

predictions: $(lists)  ## what an evaluation should take; PREDICTION_OPTIONS="--gpu H100 --results FILE --kernels vgg19:512:tf32"
	@tools/kernel_report.py $(addprefix --launches ,$(lists)) $(PREDICTION_OPTIONS)

predictions-record: $(lists)  ## write down what is predicted, for tools/gpu_report.py
	tools/kernel_report.py $(addprefix --launches ,$(lists)) --record docs/results/predictions.json > /dev/null

$(loops): CUDA_ARCHITECTURES := $(predicted_architectures)
$(BUILD)/cuda/loops/kernels/conv2d/wgmma_cuda.sass: cuda_code = $(hopper_code)
$(loops): $(BUILD)/cuda/loops/%.sass: %.cu
	@mkdir -p $(@D)
	$(NVCC) $(CUDA_FLAGS) -c $< -o $(@:.sass=.o) 2> /dev/null
	$(CUOBJDUMP) -sass $(@:.sass=.o) > $@

kernel-loops: $(loops)  ## write down the main loops of kernels for predictions (needs nvcc and CUOBJDUMP)
	tools/sass_loops.py $(loops) > docs/results/kernel_loops.json

# ---------------------------------------------------------------- on a GPU

gpu_test_objects := $(patsubst %.cu,$(BUILD)/cuda/%.o,$(cuda_test_sources))

$(BUILD)/cuda/gpu_tests: $(gpu_test_objects) $(cuda_backend_test_objects) $(cuda_objects) $(BUILD)/libswag.a
	$(NVCC) -cudart static -o $@ $^ -lcublas $(CODEC_LIBS) -Xlinker -rpath=$(cuda_rpath)

-include $(gpu_test_objects:.o=.d) $(cuda_backend_test_objects:.o=.d)

gpu-test-build: $(BUILD)/cuda/gpu_tests
gpu-test: gpu-test-build  ## test the CUDA kernels and backend on a GPU (needs nvcc; without a GPU: SKIP)
	$(BUILD)/cuda/gpu_tests
