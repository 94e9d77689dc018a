/* A disk whose fdatasync does not return while the file that STUCK_WHILE names is there. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

int fdatasync(int fd)
{
	const char *while_there = getenv("STUCK_WHILE");
	int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");

	while (while_there && access(while_there, F_OK) == 0)
		usleep(10000);
	return next(fd);
}
