/* Preloaded before a program, it makes one of its dealings with the disk fail, under one folder.
 *
 *   FAIL_UNDER=FOLDER   files in FOLDER count; others work as ever
 *   FAIL_CALL=K         the K-th call fails, from 1
 *   FAIL_ERRNO=N        with this errno
 *   FAIL_ON=1           and so does every call after it
 *   FAIL_MARK=FILE      is made when a call was failed
 *   FAIL_SHORT=N        no write takes more than N bytes
 *   FAIL_UNNAMED=1      the file system does not know files without a name (O_TMPFILE)
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

static int number(const char* name) {
  const char* text = getenv(name);
  return text ? atoi(text) : 0;
}

static int fails(void) {
  static int calls = 0;
  const int call = number("FAIL_CALL"), now = __sync_add_and_fetch(&calls, 1);
  if (call == 0 || now < call || (now > call && !number("FAIL_ON"))) return 0;
  const char* mark = getenv("FAIL_MARK");
  if (mark) close(REAL(open)(mark, O_WRONLY | O_CREAT, 0600));
  errno = number("FAIL_ERRNO");
  return 1;
}

/* Whether an open file or folder is under FAIL_UNDER. */
static int counts(int file) {
  char link[64], path[PATH_MAX + 1];
  const char* under = getenv("FAIL_UNDER");
  if (!under) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  const ssize_t length = readlink(link, path, PATH_MAX);
  return length > 0 && strncmp(path, under, strlen(under)) == 0;
}

ssize_t write(int file, const void* data, size_t size) {
  const int counted = counts(file), most = number("FAIL_SHORT");
  if (counted && fails()) return -1;
  if (counted && most > 0 && size > (size_t)most) size = (size_t)most;
  return REAL(write)(file, data, size);
}

int fsync(int file) { return counts(file) && fails() ? -1 : REAL(fsync)(file); }

int fchmod(int file, mode_t mode) { return counts(file) && fails() ? -1 : REAL(fchmod)(file, mode); }

int renameat(int from_folder, const char* from, int to_folder, const char* to) {
  return counts(to_folder) && fails() ? -1 : REAL(renameat)(from_folder, from, to_folder, to);
}

int linkat(int from_folder, const char* from, int to_folder, const char* to, int flags) {
  return counts(to_folder) && fails() ? -1 : REAL(linkat)(from_folder, from, to_folder, to, flags);
}

int openat(int folder, const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  if ((flags & O_TMPFILE) == O_TMPFILE && number("FAIL_UNNAMED")) {
    errno = EOPNOTSUPP;
    return -1;
  }
  if ((flags & O_ACCMODE) != O_RDONLY && counts(folder) && fails()) return -1;
  return REAL(openat)(folder, path, flags, mode);
}
