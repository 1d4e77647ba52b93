/* Makes every sync to disk take longer: loaded into a program with LD_PRELOAD, it stands before the C library's fsync and
 * fdatasync. VESTIBULE_SYNC_DELAY_US says by how many microseconds, VESTIBULE_SYNC_COUNT names a file of eight bytes
 * in which the calls of all processes are counted. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static struct timespec delay;
static uint64_t unshared;
static uint64_t *count = &unshared;

__attribute__((constructor)) static void begin(void) {
    const char *microseconds = getenv("VESTIBULE_SYNC_DELAY_US");
    const char *path = getenv("VESTIBULE_SYNC_COUNT");
    if (microseconds != NULL) {
        long value = atol(microseconds);
        delay.tv_sec = value / 1000000;
        delay.tv_nsec = value % 1000000 * 1000;
    }
    if (path != NULL) {
        int file = open(path, O_RDWR | O_CLOEXEC);
        if (file >= 0) {
            void *place = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
            if (place != MAP_FAILED) count = place;
            close(file);
        }
    }
}

static int slowly(long call, int file) {
    struct timespec left = delay;
    __atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
    return (int)syscall(call, file);
}

int fsync(int file) { return slowly(SYS_fsync, file); }
int fdatasync(int file) { return slowly(SYS_fdatasync, file); }
