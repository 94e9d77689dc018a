/* Which fault a call meets: the rules of LOGWEIR_FAULT_PLAN (faults.c says how they look), and their counting. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum kind { OPEN, CLOSE, READ, WRITE, FSYNC, FDATASYNC, FTRUNCATE, RENAME, UNLINK, MKDIR, RMDIR, LINK, KINDS };
static const char *const KIND_NAMES[KINDS] = { "open", "close", "read", "write", "fsync", "fdatasync",
                                               "ftruncate", "rename", "unlink", "mkdir", "rmdir", "link" };
#define SYNCS (1u << FSYNC | 1u << FDATASYNC)

enum action { NONE, FAIL, SHORT, DELAY, STUCK, KILL_BEFORE, KILL_AFTER, LOSE };
static const struct { const char *name; enum action action; int error; } ACTIONS[] = {
  { "EIO", FAIL, EIO },       { "ENOSPC", FAIL, ENOSPC },       { "EDQUOT", FAIL, EDQUOT },
  { "EROFS", FAIL, EROFS },   { "EMFILE", FAIL, EMFILE },       { "short", SHORT, 0 },
  { "delay", DELAY, 0 },      { "stuck", STUCK, 0 },            { "kill-before", KILL_BEFORE, 0 },
  { "kill-after", KILL_AFTER, 0 }, { "lose", LOSE, EIO },
};
#define ACTION_COUNT (sizeof ACTIONS / sizeof ACTIONS[0])

struct rule {
  unsigned kinds;
  int only_changes;
  char part[256];
  long at, seen;
  int lasting, action, ms;
};

/* A call that is under way. */
struct call {
  enum kind kind;
  int fd;
  const char *path, *path2;
  off_t offset;
  long length;
  long began;
  int action; /* index into ACTIONS, or -1 */
  int ms;
};

#define RULES_MAX 16
static struct rule rules[RULES_MAX];
static int rule_count;

static void refuse(const char *what) {
  dprintf(2, "faults.c: this rule is not understood: %s\n", what);
  _exit(70);
}

static void parse_rule(char *text) {
  char kind[32] = "", times[32] = "", action[32] = "";
  if (rule_count == RULES_MAX) refuse(text);
  struct rule *rule = &rules[rule_count++];
  int with_part = sscanf(text, "%31[a-z]/%255[^@]@%31[0-9+]=%31[^:]:%d", kind, rule->part, times, action, &rule->ms) >= 4;
  if (!with_part) {
    rule->part[0] = 0;
    if (sscanf(text, "%31[a-z]@%31[0-9+]=%31[^:]:%d", kind, times, action, &rule->ms) < 3) refuse(text);
  }
  rule->at = atol(times);
  rule->lasting = strchr(times, '+') != NULL;
  rule->only_changes = strcmp(kind, "change") == 0;
  if (rule->only_changes || strcmp(kind, "any") == 0) rule->kinds = (1u << KINDS) - 1;
  if (strcmp(kind, "sync") == 0) rule->kinds = SYNCS;
  for (int at = 0; at < KINDS; at++) if (strcmp(kind, KIND_NAMES[at]) == 0) rule->kinds = 1u << at;
  rule->action = -1;
  for (size_t at = 0; at < ACTION_COUNT; at++) if (strcmp(action, ACTIONS[at].name) == 0) rule->action = (int)at;
  if (rule->kinds == 0 || rule->at < 1 || rule->action < 0) refuse(text);
}

static int changes(const struct call *call) {
  if (call->kind == OPEN) return (call->length & (O_CREAT | O_TRUNC)) != 0;
  return call->kind != READ && call->kind != CLOSE;
}

/* Counts the call and finds the first rule that it falls to, if any. One caller at a time. */
static void choose_rule(struct call *call) {
  for (int at = 0; at < rule_count; at++) {
    struct rule *rule = &rules[at];
    int on_path = strstr(call->path, rule->part) != NULL || (call->path2 != NULL && strstr(call->path2, rule->part) != NULL);
    if ((rule->kinds & 1u << call->kind) == 0 || !on_path || (rule->only_changes && !changes(call))) continue;
    rule->seen++;
    if (call->action < 0 && (rule->seen == rule->at || (rule->lasting && rule->seen > rule->at))) {
      call->action = rule->action;
      call->ms = rule->ms;
    }
  }
}
