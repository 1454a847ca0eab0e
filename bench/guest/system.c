#include <stdlib.h>
#include <sys/wait.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "programs.h"

/* The cheapest system call, 10,000 a unit. */
unsigned long syscalls(unsigned long scale)
{
    unsigned long sum = 0;
    for (scale *= 10000; scale--;) sum += syscall(SYS_getppid) > 0;
    return sum;
}

/* A byte there and back between two processes, 100 times a unit. */
unsigned long pipes(unsigned long scale)
{
    int there[2], back[2];
    char byte = 0;
    if (pipe(there) || pipe(back)) exit(1);
    pid_t child = fork();
    if (child == 0) {
        close(there[1]);
        while (read(there[0], &byte, 1) == 1) {
            byte++;
            if (write(back[1], &byte, 1) != 1) _exit(1);
        }
        _exit(0);
    }
    for (scale *= 100; scale--;)
        if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1) exit(1);
    close(there[1]);
    waitpid(child, 0, 0);
    return (unsigned char)byte;
}

/* fork, exit, wait: 10 times a unit. */
unsigned long forks(unsigned long scale)
{
    unsigned long sum = 0;
    for (scale *= 10; scale--;) {
        pid_t child = fork();
        if (child == 0) _exit(scale & 63);
        int status;
        waitpid(child, &status, 0);
        sum += WEXITSTATUS(status);
    }
    return sum;
}
