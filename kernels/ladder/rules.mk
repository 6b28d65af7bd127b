# The teaching kernels, on the emulator and by nvcc. Included by the Makefile.

ladder_steps := $(wildcard kernels/ladder/*_[0-9]_*.cu)
ladder_program := kernels/ladder/main.cpp kernels/ladder/verify.cpp
.PHONY: ladder ladder-cuda

# ---------------------------------------------------------------- on the emulator

$(emulator)/ladder: $(patsubst %.cu,$(emulator)/instrumented/%.o,$(ladder_steps)) \
    $(patsubst %.cpp,$(emulator)/host/%.o,$(ladder_program) kernels/ladder/measure_emulator.cpp) \
    $(emulator)/libemulator.a $(BUILD)/libswag.a
	$(CXX) -o $@ $^ $(LINK) $(EMULATOR_LIBS)

ladder: $(emulator)/ladder  ## check every step of the teaching kernels and print what it moves
	$(emulator)/ladder

# ---------------------------------------------------------------- by nvcc

ladder_step_objects := $(patsubst %.cu,$(BUILD)/cuda/%.o,$(ladder_steps))
ladder_cuda_objects := $(ladder_step_objects) $(BUILD)/cuda/kernels/ladder/measure_gpu.o \
  $(patsubst %.cpp,$(BUILD)/cuda/%.o,$(ladder_program))
$(BUILD)/cuda/kernels/ladder/%.o: cuda_code = $(call code_for,$(tensor_core_architectures))
$(BUILD)/cuda/kernels/ladder/conv2d_8_wgmma.o: cuda_code = $(hopper_code)

$(BUILD)/cuda/kernels/ladder/%.o: kernels/ladder/%.cpp $(BUILD)/cuda/architectures | $(BUILD)/dependencies
	@mkdir -p $(@D)
	$(CXX) $(FLAGS) -isystem $(dir $(NVCC))../include -c $< -o $@

$(BUILD)/cuda/ladder: $(ladder_cuda_objects) $(BUILD)/libswag.a
	$(NVCC) -cudart static -o $@ $^

-include $(ladder_cuda_objects:.o=.d)

ladder-cuda: $(BUILD)/cuda/ladder  ## the same program for a GPU (sm_80 or later), where it takes times; needs nvcc
	$(call refuse_spills,$(ladder_step_objects))
	@echo "$<: no kernel spills registers ($(tensor_core_architectures))"

$(emulator)/ladder_counts.json: $(emulator)/ladder
	$(emulator)/ladder --counts $@.new > /dev/null
	@mv $@.new $@
