# The teaching kernels, on the emulator and by nvcc, and the report on what kernels move. Included by the Makefile.

ladder_steps := $(wildcard kernels/ladder/*_[0-9]_*.cu)
ladder_program := kernels/ladder/main.cpp kernels/ladder/verify.cpp
# Tensor cores as the ladder uses them begin with sm_80.
ladder_architectures := 80 90

.PHONY: ladder ladder-cuda kernel-report kernel-record

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
$(BUILD)/cuda/kernels/ladder/%.o: cuda_code = $(call code_for,$(ladder_architectures))

$(BUILD)/cuda/kernels/ladder/%.o: kernels/ladder/%.cpp $(BUILD)/cuda/architectures | $(BUILD)/dependencies
	@mkdir -p $(@D)
	$(CXX) $(FLAGS) -isystem $(dir $(NVCC))../include -c $< -o $@

$(BUILD)/cuda/ladder: $(ladder_cuda_objects) $(BUILD)/libswag.a
	$(NVCC) -cudart static -o $@ $^ $(BLAS_LIBS)

-include $(ladder_cuda_objects:.o=.d)

ladder-cuda: $(BUILD)/cuda/ladder  ## the same program for a GPU (sm_80 or later), where it takes times; needs nvcc
	$(call refuse_spills,$(ladder_step_objects))
	@echo "$<: no kernel spills registers ($(ladder_architectures))"

# ---------------------------------------------------------------- the report

kernel_record := docs/results/kernel_counts.json
# Registers and occupancy come from ptxas, where there is an nvcc.
report_ptxas = $(if $(NVCC),$(ladder_step_objects:.o=.ptxas))
report = tools/kernel_report.py $(emulator)/ladder_counts.json $(addprefix --ptxas ,$(report_ptxas)) \
         $(addprefix --arch sm_,$(ladder_architectures))

$(emulator)/ladder_counts.json: $(emulator)/ladder
	$(emulator)/ladder --counts $@.new > /dev/null
	@mv $@.new $@

kernel-report: $(emulator)/ladder_counts.json $(if $(NVCC),$(ladder_step_objects))  ## what each kernel moves; fails where a fast one got worse
	$(report) --check $(kernel_record)

kernel-record: $(emulator)/ladder_counts.json $(ladder_step_objects)  ## write down today's counts for kernel-report
	$(report) --record $(kernel_record) > /dev/null
