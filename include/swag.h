/* swag: image style transfer by pixel optimisation. The public C API (C99), the only installed header.
 *
 * Conventions
 *   - Every function that can fail returns a swag_status; swag_last_error() then holds one line that says
 *     what, which file, why and what to do. The statuses are the exit codes of the command line.
 *   - Nothing is printed and the environment is not read; progress and messages go through the callbacks.
 *   - Threads: a model may be shared by contexts in several threads, because it is never changed. A context
 *     is used by one thread at a time. The last error is per thread.
 *   - Memory of the caller (options, images, weights) is only read during the call it is passed to,
 *     callbacks excepted.
 *   - Functions may be called in any order and with any values: what cannot be is a status. NULL is
 *     SWAG_USAGE where nothing else is said, a number that an enum does not have too; the functions that free
 *     take NULL. The library trusts that pointers point to what they say, that `struct_size` bytes and the
 *     rows of an image are there, and that strings end.
 *   - What is denied memory by the machine, a container or a limit on the process is SWAG_MEMORY.
 */
#ifndef SWAG_H
#define SWAG_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define SWAG_API
#else
#define SWAG_API __attribute__((visibility("default")))
#endif

#define SWAG_VERSION_MAJOR 0
#define SWAG_VERSION_MINOR 1
#define SWAG_VERSION_PATCH 0
/* Raised when a caller compiled against an older header could break. */
#define SWAG_ABI_VERSION 1

typedef enum swag_status {
  SWAG_OK = 0,
  SWAG_INTERNAL = 1,
  SWAG_USAGE = 2,        /* an option, a name or a null pointer */
  SWAG_IMAGE = 3,        /* an image that cannot be used */
  SWAG_WEIGHTS = 4,      /* a weight file that cannot be used */
  SWAG_DEVICE = 5,       /* a device that is not there */
  SWAG_MEMORY = 6,       /* less than what is needed; a run that had begun keeps its best image */
  SWAG_DIVERGED = 7,     /* the loss left the finite numbers for good; the best image so far can be read */
  SWAG_OUTPUT = 8,       /* a file that cannot be written */
  SWAG_INTERRUPTED = 130 /* the progress callback asked to stop; the best image so far can be read */
} swag_status;

typedef enum swag_pixel_format {
  SWAG_RGB8 = 0,    /* 3 bytes, sRGB */
  SWAG_RGBA8 = 1,   /* 4 bytes, sRGB, straight alpha; alpha of the content is carried to the output, and what
                     * is transparent has no influence */
  SWAG_RGB_F32 = 2, /* 3 floats, sRGB values in [0, 1] */
  SWAG_RGBA_F32 = 3 /* 4 floats, straight alpha */
} swag_pixel_format;

/* A view of pixels of the caller, rows from top to bottom. Values outside [0, 1] are clamped, NaN is an
 * error. */
typedef struct swag_image {
  void* data;
  int width, height; /* pixels */
  ptrdiff_t stride;  /* bytes from one row to the next, negative too; 0: rows are packed */
  swag_pixel_format format;
} swag_image;

typedef enum swag_smoothing {
  SWAG_SMOOTHING_NONE = 0,
  SWAG_SMOOTHING_SOFTMAX = 1, /* over the whole layer, eq. (11) of the paper */
  SWAG_SMOOTHING_CHANNEL = 2, /* over the channels at each position */
  SWAG_SMOOTHING_SCALE = 3    /* a constant */
} swag_smoothing;

typedef enum swag_loss {
  SWAG_LOSS_PAPER = 0,    /* eq. (12) and (13) */
  SWAG_LOSS_AUTHORS = 1,  /* the authors' released code */
  SWAG_LOSS_BALANCED = 2, /* dimensionless; this and the next are for several scales */
  SWAG_LOSS_MSE = 3       /* mean squares, style layers' weights as shares: style-transfer-pytorch's */
} swag_loss;

/* What style is compared by; docs/objective.md has the formulas. */
typedef enum swag_style_loss {
  SWAG_STYLE_LOSS_GRAM = 0,       /* Gram matrices, eq. (1) */
  SWAG_STYLE_LOSS_WASSERSTEIN = 1 /* means and covariances: the squared Wasserstein-2 distance of Gaussians */
} swag_style_loss;

/* Between which pixels the total variation looks. */
typedef enum swag_tv_stencil {
  SWAG_TV_FIVE_POINT = 0, /* those above and beside each other, normalised as the network sees them */
  SWAG_TV_NINE_POINT = 1  /* the diagonals too, of values from 0 to 1: style-transfer-pytorch's */
} swag_tv_stencil;

/* What the first convolution finds beyond the picture's edge. */
typedef enum swag_padding {
  SWAG_PADDING_ZEROS = 0,    /* torchvision's */
  SWAG_PADDING_REPLICATE = 1 /* the edge again: torch's padding_mode="replicate" */
} swag_padding;

/* What pictures are shrunk by, antialiased. */
typedef enum swag_resample {
  SWAG_RESAMPLE_LANCZOS = 0, /* the sharper one */
  SWAG_RESAMPLE_BICUBIC = 1  /* Pillow's BICUBIC */
} swag_resample;

typedef enum swag_init { SWAG_INIT_CONTENT = 0, SWAG_INIT_RANDOM = 1, SWAG_INIT_IMAGE = 2 } swag_init;

typedef enum swag_optimizer {
  SWAG_LBFGS = 0,       /* with a strong-Wolfe line search */
  SWAG_LBFGS_PLAIN = 1, /* without one, step 1: torch.optim.LBFGS's default form */
  SWAG_ADAM = 2
} swag_optimizer;

typedef enum swag_pooling { SWAG_POOLING_MAX = 0, SWAG_POOLING_AVERAGE = 1 } swag_pooling;

/* What networks compute in. Losses, pixels and optimisers are float32 or float64 in all of them. */
typedef enum swag_precision {
  SWAG_SINGLE = 0,         /* float32 */
  SWAG_DOUBLE = 1,         /* float64, on the CPU only */
  SWAG_TF32 = 2,           /* on a GPU's tensor cores, which read 10 of float32's 23 bits; docs/kernels.md */
  SWAG_PRECISION_AUTO = 3, /* TF32 on a GPU that has it, unless features are smoothed at a given temperature;
                            * else float32 */
  SWAG_HALF = 4            /* tensor cores, features in float16 and their gradients in bfloat16 */
} swag_precision;

/* How convolutions that have a choice are computed; docs/cpu.md has the rule of "auto". Double precision is
 * always direct. */
typedef enum swag_conv {
  SWAG_CONV_AUTO = 0,    /* the faster one, by the layer's shape alone */
  SWAG_CONV_DIRECT = 1,  /* the definition's sum: the least memory and rounding */
  SWAG_CONV_WINOGRAD = 2 /* wherever it can be */
} swag_conv;

/* What becomes of the content where `size` is "640x480" and of another shape; a line of the log says so. */
typedef enum swag_fit {
  SWAG_FIT_STRETCH = 0, /* all of it, distorted */
  SWAG_FIT_CROP = 1,    /* its middle */
  SWAG_FIT_PAD = 2      /* all of it, on transparent margins: the output has alpha */
} swag_fit;

typedef enum swag_log_level { SWAG_LOG_VERBOSE = 0, SWAG_LOG_INFO = 1, SWAG_LOG_WARNING = 2 } swag_log_level;

typedef struct swag_progress {
  size_t struct_size;                       /* sizeof(swag_progress), set by whoever passes it to swag_step */
  int scale, scales;                        /* 0-based, coarse to fine */
  int width, height;                        /* of this scale */
  int iteration, iterations;                /* optimiser steps taken and wanted at this scale */
  int64_t evaluations;                      /* of loss and gradient, over all scales */
  double loss;                              /* total, weighted, of the last evaluation */
  double content_loss, style_loss, tv_loss; /* unweighted */
  double fraction;                          /* of the whole run's work done, 0 to 1 */
  int done;                                 /* 1 when no step is left */
} swag_progress;

/* Called after every evaluation. Return 0 to go on, anything else to stop with SWAG_INTERRUPTED. It may read
 * the run's image, and end the run (which then ends when swag_step returns), but not step it. */
typedef int (*swag_progress_fn)(const swag_progress* progress, void* user);
typedef void (*swag_log_fn)(swag_log_level level, const char* message, void* user);

/* How to stylise. Fill it with swag_options_init, then change what you like. Strings are UTF-8; lists are
 * separated by commas; NULL lists mean the network's own layers. */
typedef struct swag_options {
  size_t struct_size; /* of a caller's older header: what it lacks is "default"; see swag_options_init */
  const char* size;   /* of the output's longest side "512", or "640x480", or "orig" (the content's); or
                       * "as-is": no image is resized, and there is one scale */
  double style_scale; /* size of the style images relative to the output, > 0 */
  const char* style_layers;        /* "relu1_1,relu2_1" */
  const char* style_layer_weights; /* one number per style layer, or NULL for 1 each */
  const char* content_layers;
  const char* content_layer_weights;
  const char* style_blend; /* one number per style image, or NULL for 1 each */
  double content_weight;   /* >= 0 */
  double style_weight;     /* >= 0 */
  double tv_weight;        /* of the mean squared difference of neighbouring pixels, >= 0 */
  swag_loss loss;
  swag_smoothing smoothing;
  const char* smoothing_layers; /* NULL: all style and content layers */
  double temperature;           /* > 0; or 0: the one that gives `entropy`, per layer and scale */
  double entropy;               /* in (0, 1), for temperature 0 */
  swag_init init;
  swag_optimizer optimizer;
  double learning_rate; /* of Adam in a picture's values, which are 0 to 1, and of plain L-BFGS, > 0; or
                         * 0: the customary 0.02 and 1 */
  int iterations;       /* optimiser steps per scale, >= 0 */
  int history;          /* of L-BFGS, 1 to 1000 */
  int scales;           /* coarse to fine, 1 to 20; fewer when too small; see scale_factor */
  uint64_t seed;        /* of SWAG_INIT_RANDOM; models have one of their own */
  const char* device;   /* "cpu", "auto", "cuda", "cuda:1" */
  int threads;          /* of the CPU; 0: one per core */
  swag_precision precision;
  swag_progress_fn progress; /* or NULL */
  void* progress_user;
  swag_log_fn log; /* or NULL */
  void* log_user;
  swag_conv conv;
  swag_fit fit; /* of the content, and of an initial image */
  swag_style_loss style_loss;
  double scale_factor; /* the size of a scale relative to the one before, in (1, 16] */
  double average;      /* decay of an exponential average of a scale's iterates, which is then what is shown,
                        * in [0, 1); 0: the iterate of the lowest loss is */
  swag_tv_stencil tv_stencil;
  swag_padding padding;
  int clamp;              /* not 0: Adam's steps end within [0, 1]; for Adam alone */
  int initial_iterations; /* of the first scale; 0: as many as of the others */
  int min_scale;          /* the longest side of the first scale in pixels, at least; 0: 96 */
  swag_resample resample; /* of content, styles and initial image */
} swag_options;

typedef struct swag_model swag_model;     /* a network and its weights */
typedef struct swag_context swag_context; /* one run */

SWAG_API const char* swag_version(void); /* "0.1.0" */
SWAG_API int swag_abi_version(void);     /* SWAG_ABI_VERSION of the library */
SWAG_API const char* swag_status_text(swag_status status);
/* The last failure of this thread, "" when there was none. Valid until the thread's next call. */
SWAG_API const char* swag_last_error(void);

/* The values of a preset: "default", "trained", "random", "authors", "gatys" or "crowson". Its strings are
 * the library's and live as long as it does. `struct_size` is set from the header compiled against: use the
 * macro. Errors: SWAG_USAGE for an unknown preset. */
SWAG_API swag_status swag_options_init_sized(swag_options* options, size_t struct_size, const char* preset);
#define swag_options_init(options, preset) swag_options_init_sized((options), sizeof(swag_options), (preset))

/* Models. `network` is torchvision's name ("vgg19", "resnet50", ...). Free with swag_model_free. */
/* From a safetensors file with torchvision's names. Errors: SWAG_WEIGHTS, SWAG_USAGE. */
SWAG_API swag_status swag_model_load(const char* network, swag_pooling pooling, const char* path,
                                     swag_model** model);
/* The same from memory, which may be freed afterwards. */
SWAG_API swag_status swag_model_load_memory(const char* network, swag_pooling pooling, const void* data,
                                            size_t size, swag_model** model);
/* torchvision's random initialisation. */
SWAG_API swag_status swag_model_random(const char* network, swag_pooling pooling, uint64_t seed,
                                       swag_model** model);
/* The tests' deterministic weights. */
SWAG_API swag_status swag_model_splitmix(const char* network, swag_pooling pooling, uint64_t seed,
                                         swag_model** model);
/* Filters fitted to the images themselves, no file needed; the VGG family only. Uses `size`, `fit`,
 * `style_scale`, `device`, `threads`, `conv`, `progress` (its `fraction`), `log` of the options. */
SWAG_API swag_status swag_model_fit(const char* network, swag_pooling pooling, uint64_t seed,
                                    const swag_options* options, const swag_image* content,
                                    const swag_image* styles, int style_count, swag_model** model);
/* Writes the weights as safetensors; an existing file is replaced as a whole. Errors: SWAG_OUTPUT. */
SWAG_API swag_status swag_model_save(const swag_model* model, const char* path);
SWAG_API const char* swag_model_network(const swag_model* model);
SWAG_API const char* swag_model_source(const swag_model* model); /* "random (seed 0)", for people */
SWAG_API void swag_model_free(swag_model* model);

/* The size of the output for a content image of width x height. Errors: SWAG_USAGE, SWAG_IMAGE for sides
 * below 1 or above 2^24 pixels, which no image may have. */
SWAG_API swag_status swag_output_size(const swag_options* options, int width, int height, int* out_width,
                                      int* out_height);

/* Stylise step by step. `init_image` is for SWAG_INIT_IMAGE, else NULL. Checks all that can be checked, the
 * memory that the run will need at its most included, and sets *context to NULL when it fails. */
SWAG_API swag_status swag_begin(const swag_model* model, const swag_options* options,
                                const swag_image* content, const swag_image* styles, int style_count,
                                const swag_image* init_image, swag_context** context);
/* One optimiser step. `progress` may be NULL; set its struct_size. After the last step it does nothing. After
 * an error it may be called again: it goes on after SWAG_INTERRUPTED, tries again after SWAG_MEMORY, and says
 * SWAG_DIVERGED once more after that. SWAG_USAGE from a callback of the same context. */
SWAG_API swag_status swag_step(swag_context* context, swag_progress* progress);
/* The best image so far, at the output's size, into the caller's pixels. May be called at any time, whatever
 * swag_step returned, and from the callbacks. */
SWAG_API swag_status swag_get_image(const swag_context* context, swag_image* image);
SWAG_API void swag_end(swag_context* context); /* NULL is allowed */

/* All of it: begin, every step, the image. On SWAG_INTERRUPTED and SWAG_DIVERGED, and on SWAG_MEMORY once the
 * run had begun, `output` holds the best image. */
SWAG_API swag_status swag_stylise(const swag_model* model, const swag_options* options,
                                  const swag_image* content, const swag_image* styles, int style_count,
                                  const swag_image* init_image, swag_image* output);

#ifdef __cplusplus
}
#endif
#endif /* SWAG_H */
