/* Uses an installed swag from C99 as a stranger would: a short run, and statuses where they are due. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <swag.h>

enum { kSize = 48, kBytes = kSize * kSize * 3 };

static int failures = 0;

static void expect(int condition, const char* what) {
  if (condition) return;
  ++failures;
  fprintf(stderr, "consumer: expected %s (last error: '%s')\n", what, swag_last_error());
}

static int count_calls(const swag_progress* progress, void* user) {
  (void)progress;
  ++*(int*)user;
  return 0;
}

static swag_image view(unsigned char* pixels) {
  swag_image image = {NULL, kSize, kSize, 0, SWAG_RGB8};
  image.data = pixels;
  return image;
}

static void check_versions(void) {
  char header[32];
  sprintf(header, "%d.%d.%d", SWAG_VERSION_MAJOR, SWAG_VERSION_MINOR, SWAG_VERSION_PATCH);
  expect(strcmp(swag_version(), header) == 0, "the library's version to be the header's");
  expect(swag_abi_version() == SWAG_ABI_VERSION, "the library's ABI to be the header's");
}

static void check_mistakes(void) {
  swag_options options;
  swag_model* model = NULL;
  expect(swag_options_init(&options, "no such preset") == SWAG_USAGE, "an unknown preset to be refused");
  expect(swag_last_error()[0] != '\0', "a reason");
  expect(swag_model_load("vgg11", SWAG_POOLING_MAX, "missing.safetensors", &model) == SWAG_WEIGHTS,
         "missing weights to be refused");
  expect(model == NULL, "no model from missing weights");
}

static void check_run(void) {
  static unsigned char content[kBytes], style[kBytes], out[kBytes];
  const swag_image content_view = view(content), style_view = view(style);
  swag_image out_view = view(out);
  swag_options options;
  swag_model* model = NULL;
  int calls = 0, i;
  for (i = 0; i < kBytes; ++i) {
    content[i] = (unsigned char)(i / 3 % kSize * 5);
    style[i] = (unsigned char)(i * 7 % 251);
  }
  expect(swag_options_init(&options, "default") == SWAG_OK, "the default preset");
  options.size = "48";
  options.iterations = 2;
  options.scales = 1;
  options.progress = count_calls;
  options.progress_user = &calls;
  expect(swag_model_random("vgg11", SWAG_POOLING_AVERAGE, 1, &model) == SWAG_OK, "random weights");
  expect(swag_stylise(model, &options, &content_view, &style_view, 1, NULL, &out_view) == SWAG_OK, "a run");
  expect(calls >= 2, "progress to be told");
  expect(memcmp(out, content, kBytes) != 0, "a picture that differs from the content");
  swag_model_free(model);
}

/* The last moment at which a program can call a library; its exit status is the only way left to say no. */
static void check_mistakes_at_exit(void) {
  const int before = failures;
  check_mistakes();
  expect(strstr(swag_last_error(), "missing.safetensors") != NULL, "the reason of the last failure");
  if (failures > before) _Exit(1);
}

int main(void) {
  expect(atexit(check_mistakes_at_exit) == 0, "atexit to work");
  check_versions();
  check_mistakes();
  check_run();
  printf("swag %s: %s\n", swag_version(), failures ? "failed" : "works");
  return failures != 0;
}
