# The fuzz targets, docs/reliability.md says what they are for. Included by the Makefile.
#
#   make fuzz TIME=600              seconds for each target
#   make fuzz TARGETS="api options"
#   make fuzz FUZZ_SANITIZE=        two to ten times as many inputs, of which only those that break a promise are found
#   make fuzz-replay                every committed input once, with this build's compiler and options

.PHONY: fuzz fuzz-targets fuzz-replay

fuzz_targets := pictures descriptions safetensors options arguments values api
fuzz_binaries := $(fuzz_targets:%=$(BUILD)/fuzz_%)
fuzz_objects_of = $(call object,$(1:%=tests/fuzz/%.cpp))

# With the fuzzer's instrumentation libFuzzer drives a target; in any other build replay.cpp runs it on files.
fuzz_driver := $(if $(findstring fuzzer-no-link,$(SANITIZE)),,$(call fuzz_objects_of,replay))
fuzz_link := $(if $(fuzz_driver),,-fsanitize=fuzzer)

$(BUILD)/fuzz_pictures $(BUILD)/fuzz_descriptions: $(call fuzz_objects_of,picture_mutator)
$(BUILD)/fuzz_safetensors: $(call fuzz_objects_of,safetensors_mutator)
$(BUILD)/fuzz_api: $(call fuzz_objects_of,api_case failing_memory)

$(fuzz_binaries): $(BUILD)/fuzz_%: $(BUILD)/obj/tests/fuzz/%.o $(fuzz_driver) \
    $(filter-out %/main.o,$(program_objects)) $(BUILD)/libswag.a
	$(CXX) -o $@ $^ $(LINK) $(fuzz_link) $(CODEC_LIBS)

-include $(patsubst tests/%.cpp,$(BUILD)/obj/tests/%.d,$(wildcard tests/fuzz/*.cpp))

fuzz-targets: $(fuzz_binaries)

# Another folder of objects: everything is compiled for the fuzzer.
FUZZ_CXX ?= clang++
FUZZ_SANITIZE ?= address,undefined
fuzz_build := $(BUILD)/fuzz$(if $(FUZZ_SANITIZE),,-plain)
comma := ,
TIME ?= 600
TARGETS ?= $(fuzz_targets) conversion program
fuzz: $(BUILD)/swag  ## look for inputs that break the program, TIME=600 seconds a target (needs clang)
	$(MAKE) BUILD=$(fuzz_build) CXX="$(FUZZ_CXX)" SANITIZE=fuzzer-no-link$(addprefix $(comma),$(FUZZ_SANITIZE)) \
	  CXXFLAGS="-O1 -g1" fuzz-targets
	tests/fuzz/replay.sh $(fuzz_build) $(fuzz_targets)
	tests/fuzz/run.sh $(BUILD) $(fuzz_build) $(TIME) $(TARGETS)

fuzz-replay: $(fuzz_binaries)  ## run the fuzz targets on the inputs that once broke them
	tests/fuzz/replay.sh $(BUILD) $(fuzz_targets)
