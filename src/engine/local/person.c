// The submitter on this machine: see person.h.
#include "engine/local/person.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int gr_person_find(uint32_t uid, uint32_t gid, struct gr_person *ret_person, struct gr_err *err)
{
    char room[16384];
    struct passwd entry;
    struct passwd *found = NULL;
    struct gr_person *person = ret_person;
    person->uid = uid;
    person->gid = gid;
    person->name[0] = '\0';
    memcpy(person->home, "/", sizeof "/");
    memcpy(person->shell, "/bin/sh", sizeof "/bin/sh");
    person->groups[0] = gid;
    person->group_count = 1;
    int code = getpwuid_r(uid, &entry, room, sizeof room, &found);
    if (found == NULL) {
        // Some name services report an error for a name that is merely not there.
        return code == ERANGE ? gr_fail(err, -ERANGE, "user %u: its entry is too long", uid) : 0;
    }
    (void)snprintf(person->name, sizeof person->name, "%s", entry.pw_name);
    (void)snprintf(person->home, sizeof person->home, "%s",
                   entry.pw_dir[0] != '\0' ? entry.pw_dir : "/");
    if (entry.pw_shell[0] != '\0') {
        (void)snprintf(person->shell, sizeof person->shell, "%s", entry.pw_shell);
    }
    int count = GR_SPEC_GROUPS_MAX;
    if (getgrouplist(entry.pw_name, gid, person->groups, &count) < 0) {
        return gr_fail(err, -E2BIG, "user %s is in more than %d groups", person->name,
                       GR_SPEC_GROUPS_MAX);
    }
    person->group_count = (uint32_t)count;
    return 0;
}

int gr_person_become(const struct gr_person *person, struct gr_err *err)
{
    if (geteuid() != 0) {
        return getuid() == person->uid && geteuid() == person->uid
                   ? 0
                   : gr_fail(err, -EPERM, "only root can start work as user %u", person->uid);
    }
    if (setgroups(person->group_count, person->groups) != 0) {
        return gr_fail_errno(err, "take on the groups of user %u", person->uid);
    }
    if (setresgid(person->gid, person->gid, person->gid) != 0) {
        return gr_fail_errno(err, "take on group %u", person->gid);
    }
    if (setresuid(person->uid, person->uid, person->uid) != 0) {
        return gr_fail_errno(err, "take on user %u", person->uid);
    }
    if (person->uid != 0 && (setresuid(0, 0, 0) == 0 || geteuid() != person->uid)) {
        return gr_fail(err, -EPERM, "user %u could become root again", person->uid);
    }
    return 0;
}

int gr_person_act(const struct gr_person *person, struct gr_err *err)
{
    gid_t none = getgid();
    if (getuid() != 0) {
        return 0;
    }
    if (person == NULL) {
        return setresuid((uid_t)-1, 0, (uid_t)-1) == 0 &&
                       setresgid((gid_t)-1, none, (gid_t)-1) == 0 && setgroups(1, &none) == 0
                   ? 0
                   : gr_fail_errno(err, "become root again");
    }
    return setgroups(person->group_count, person->groups) == 0 &&
                   setresgid((gid_t)-1, person->gid, (gid_t)-1) == 0 &&
                   setresuid((uid_t)-1, person->uid, (uid_t)-1) == 0
               ? 0
               : gr_fail_errno(err, "act as user %u", person->uid);
}
