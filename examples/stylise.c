/* stylise content.ppm style.ppm out.ppm: the C API in one page. Pictures are binary PPM (P6) of 8 bits. */
#include <stdio.h>
#include <stdlib.h>

#include "swag.h"

static swag_image read_ppm(const char* path) {
  swag_image image = {NULL, 0, 0, 0, SWAG_RGB8};
  FILE* file = fopen(path, "rb");
  if (file && fscanf(file, "P6 %d %d 255", &image.width, &image.height) == 2 && fgetc(file) != EOF) {
    const size_t bytes = (size_t)image.width * image.height * 3;
    image.data = malloc(bytes);
    if (image.data && fread(image.data, 1, bytes, file) != bytes) image.width = 0; /* swag will refuse it */
  }
  if (file) fclose(file);
  return image;
}

static int show(const swag_progress* progress, void* user) {
  (void)user;
  fprintf(stderr, "\r%3.0f%%  loss %.4g ", 100 * progress->fraction, progress->loss);
  return 0; /* anything else stops the run */
}

int main(int argc, char** argv) {
  if (argc != 4) return fprintf(stderr, "usage: stylise content.ppm style.ppm out.ppm\n"), SWAG_USAGE;
  swag_image content = read_ppm(argv[1]), style = read_ppm(argv[2]), out = {NULL, 0, 0, 0, SWAG_RGB8};
  swag_options options;
  swag_model* model = NULL;
  swag_options_init(&options, "default");
  options.size = "256";
  options.progress = show;
  swag_status status =
      swag_model_fit("vgg19", SWAG_POOLING_AVERAGE, 0, &options, &content, &style, 1, &model);
  if (status == SWAG_OK) {
    swag_output_size(&options, content.width, content.height, &out.width, &out.height);
    out.data = malloc((size_t)out.width * out.height * 3);
    status = swag_stylise(model, &options, &content, &style, 1, NULL, &out);
  }
  FILE* file = status == SWAG_OK ? fopen(argv[3], "wb") : NULL;
  if (file) {
    fprintf(file, "P6\n%d %d\n255\n", out.width, out.height);
    fwrite(out.data, 3, (size_t)out.width * out.height, file);
    if (fclose(file) != 0) status = SWAG_OUTPUT;
  }
  if (status != SWAG_OK || !file)
    fprintf(stderr, "stylise: %s\n", status ? swag_last_error() : "cannot write");
  swag_model_free(model);
  free(content.data), free(style.data), free(out.data);
  return status;
}
