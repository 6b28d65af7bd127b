# What a GPU can do at most, measured there; on the emulator the program is only tried. Included by the Makefile.

.PHONY: limits-cuda

$(emulator)/limits: $(emulator)/plain/kernels/limits/limits.o $(emulator)/libemulator.a $(BUILD)/libswag.a
	$(CXX) -o $@ $^ $(LINK) $(EMULATOR_LIBS)

limits_objects := $(BUILD)/cuda/kernels/limits/limits.o
$(limits_objects): cuda_code = $(call code_for,$(tensor_core_architectures))

$(BUILD)/cuda/limits: $(limits_objects)
	$(NVCC) -cudart static -o $@ $^

-include $(limits_objects:.o=.d)

limits-cuda: $(BUILD)/cuda/limits  ## a program that measures what a GPU (sm_80 or later) can do at most; needs nvcc
	$(call refuse_spills,$(limits_objects))
