# What a GPU can do at most, measured there; on the emulator the program is only tried. Included by the Makefile.

.PHONY: limits-cuda

limits_sources := $(wildcard kernels/limits/*.cu)

$(emulator)/limits: $(patsubst %.cu,$(emulator)/plain/%.o,$(limits_sources)) $(emulator)/libemulator.a $(BUILD)/libswag.a
	$(CXX) -o $@ $^ $(LINK) $(EMULATOR_LIBS)

limits_objects := $(patsubst %.cu,$(BUILD)/cuda/%.o,$(limits_sources))
$(limits_objects): cuda_code = $(call code_for,$(tensor_core_architectures))
$(BUILD)/cuda/kernels/limits/instructions.o: cuda_code = $(hopper_code)

$(BUILD)/cuda/limits: $(limits_objects)
	$(NVCC) -cudart static -o $@ $^

-include $(limits_objects:.o=.d)

limits-cuda: $(BUILD)/cuda/limits  ## a program that measures what a GPU (sm_80 or later) can do at most; needs nvcc
	$(call refuse_spills,$(limits_objects))
