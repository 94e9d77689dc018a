/** What the process ends with. 78 is EX_CONFIG of sysexits(3); 128 + n is the shells' way to say "ended by signal n". */
export const EXIT_OK = 0;
export const EXIT_ERROR = 1;
export const EXIT_USAGE = 2;
export const EXIT_CONFIGURATION = 78;
export const EXIT_SIGINT = 130;
export const EXIT_SIGTERM = 143;
