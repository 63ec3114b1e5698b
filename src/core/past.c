// What organisations and users hold and held: what shares are reckoned from. Past use is an average
// that forgets: when nothing is held it halves with each half-life. All in integers, so that every
// build has the same; each number depends on nothing but the facts.
#include "core/part.h"
#include "core/queue.h"

// 2^32 * 2^(-i / 256), rounded.
static const uint64_t halves[257] = {
    4294967296, 4283353945, 4271771996, 4260221365, 4248701965, 4237213713, 4225756525, 4214330316,
    4202935003, 4191570503, 4180236731, 4168933606, 4157661043, 4146418961, 4135207276, 4124025908,
    4112874773, 4101753790, 4090662878, 4079601955, 4068570940, 4057569753, 4046598312, 4035656537,
    4024744348, 4013861665, 4003008408, 3992184498, 3981389855, 3970624400, 3959888054, 3949180739,
    3938502376, 3927852886, 3917232192, 3906640216, 3896076880, 3885542107, 3875035819, 3864557939,
    3854108391, 3843687099, 3833293984, 3822928972, 3812591987, 3802282952, 3792001792, 3781748432,
    3771522796, 3761324810, 3751154399, 3741011488, 3730896002, 3720807869, 3710747013, 3700713361,
    3690706840, 3680727376, 3670774895, 3660849326, 3650950594, 3641078629, 3631233356, 3621414705,
    3611622603, 3601856978, 3592117759, 3582404874, 3572718252, 3563057822, 3553423514, 3543815256,
    3534232978, 3524676610, 3515146082, 3505641324, 3496162267, 3486708840, 3477280975, 3467878602,
    3458501653, 3449150059, 3439823750, 3430522660, 3421246719, 3411995860, 3402770014, 3393569115,
    3384393094, 3375241885, 3366115421, 3357013633, 3347936457, 3338883824, 3329855670, 3320851927,
    3311872529, 3302917412, 3293986508, 3285079754, 3276197082, 3267338429, 3258503729, 3249692918,
    3240905930, 3232142703, 3223403170, 3214687269, 3205994934, 3197326104, 3188680714, 3180058700,
    3171459999, 3162884549, 3154332287, 3145803149, 3137297074, 3128813999, 3120353861, 3111916599,
    3103502151, 3095110456, 3086741451, 3078395075, 3070071267, 3061769967, 3053491112, 3045234644,
    3037000500, 3028788621, 3020598946, 3012431416, 3004285971, 2996162550, 2988061094, 2979981545,
    2971923842, 2963887926, 2955873740, 2947881223, 2939910317, 2931960965, 2924033107, 2916126685,
    2908241642, 2900377920, 2892535461, 2884714207, 2876914102, 2869135087, 2861377107, 2853640104,
    2845924021, 2838228802, 2830554390, 2822900730, 2815267765, 2807655439, 2800063696, 2792492481,
    2784941738, 2777411411, 2769901447, 2762411789, 2754942382, 2747493172, 2740064105, 2732655125,
    2725266179, 2717897212, 2710548171, 2703219000, 2695909648, 2688620059, 2681350181, 2674099961,
    2666869345, 2659658279, 2652466713, 2645294591, 2638141863, 2631008476, 2623894376, 2616799513,
    2609723834, 2602667287, 2595629821, 2588611383, 2581611923, 2574631389, 2567669730, 2560726895,
    2553802834, 2546897494, 2540010826, 2533142779, 2526293303, 2519462348, 2512649863, 2505855799,
    2499080105, 2492322733, 2485583632, 2478862753, 2472160047, 2465475465, 2458808958, 2452160476,
    2445529972, 2438917396, 2432322700, 2425745836, 2419186755, 2412645410, 2406121752, 2399615734,
    2393127307, 2386656425, 2380203040, 2373767105, 2367348571, 2360947394, 2354563524, 2348196917,
    2341847524, 2335515300, 2329200197, 2322902170, 2316621173, 2310357160, 2304110083, 2297879899,
    2291666561, 2285470023, 2279290240, 2273127167, 2266980759, 2260850970, 2254737756, 2248641071,
    2242560872, 2236497113, 2230449750, 2224418739, 2218404036, 2212405596, 2206423375, 2200457330,
    2194507417, 2188573592, 2182655811, 2176754033, 2170868212, 2164998306, 2159144272, 2153306067,
    2147483648,
};

// 2^56 * 2^(-part / 2^32): a part of a half-life. Between two entries of the table the way is
// straight: the error is below a millionth.
static uint64_t half(uint32_t part)
{
    uint64_t high = halves[part >> 24], low = halves[(part >> 24) + 1];
    return (high << 24) - (high - low) * (part & 0xffffff);
}

// a * 2^(-passed / half_life). Finer than a millisecond of the longest half-life, or passes that
// follow each other closely would forget nothing.
static uint64_t decayed(uint64_t a, int64_t passed, int64_t half_life_ms)
{
    int64_t whole = passed / half_life_ms;
    if (whole >= 63) {
        return 0;
    }
    unsigned __int128 rest = (unsigned __int128)(passed % half_life_ms) << 32;
    uint32_t part = (uint32_t)(rest / (uint64_t)half_life_ms);
    return (uint64_t)(((unsigned __int128)a * half(part)) >> 56) >> whole;
}

void gr_past_pass(struct gr_past *past, uint64_t held, int64_t half_life_ms, int64_t at_ms)
{
    int64_t passed = at_ms - past->at_ms;
    uint64_t level = held << 20;
    assert(passed >= 0 && held < UINT64_C(1) << 43);
    past->at_ms = at_ms;
    if (half_life_ms == 0) {
        past->average = level;
    } else if (past->average >= level) {
        past->average = level + decayed(past->average - level, passed, half_life_ms);
    } else {
        past->average = level - decayed(level - past->average, passed, half_life_ms);
    }
}

uint64_t gr_demand_milli(const struct gr_demand *demand)
{
    return (uint64_t)demand->tasks * demand->shape.devices * demand->shape.milli;
}

uint64_t gr_share_milli(const struct gr_demand *demand)
{
    uint64_t milli = gr_demand_milli(demand);
    uint64_t cpus = (uint64_t)demand->tasks * demand->shape.cpu_milli / 32;
    return milli > 0 ? milli : cpus > 0 ? cpus : 1;
}

// --- what is held now

// Pasts pass up to now for all whom a job counts for, with what they held until now.
static void pass(struct gr_core *core, const struct gr_job *job)
{
    int64_t half_life = core->queue_terms.half_life_ms;
    for (uint32_t o = job->org; o != GR_NONE; o = gr_core_org_get(core, o)->parent) {
        gr_past_pass(gr_org_past_at(core, o), gr_org_now_at(core, o)->share_milli, half_life,
                     core->now_ms);
    }
    if (job->user != GR_NONE) {
        gr_past_pass(gr_user_past_at(core, job->user), gr_user_now_at(core, job->user)->share_milli,
                     half_life, core->now_ms);
    }
}

// What a job counts for, or a part of it.
struct counted {
    uint64_t held, share;
    uint32_t running;
};

// What so many tasks of a job count for.
static struct counted tasks_count(const struct gr_job *job, uint32_t tasks)
{
    struct gr_demand demand = job->demand;
    demand.tasks = tasks;
    return (struct counted){gr_demand_milli(&demand), gr_share_milli(&demand), 1};
}

// All that a running job holds now.
static struct counted job_count(const struct gr_core *core, const struct gr_job *job)
{
    return tasks_count(job, job->demand.tasks - gr_part_missing_of(core, job));
}

// Adds what is counted, or with `less` takes it away.
static void count_one(struct gr_use_now *now, const struct counted *by, bool less)
{
    assert(!less || (now->running >= by->running && now->held_milli >= by->held &&
                     now->share_milli >= by->share));
    now->held_milli += less ? -by->held : by->held;
    now->share_milli += less ? -by->share : by->share;
    now->running += less ? -by->running : by->running;
}

static void count(struct gr_core *core, const struct gr_job *job, const struct counted *by,
                  bool less)
{
    for (uint32_t o = job->org; o != GR_NONE; o = gr_core_org_get(core, o)->parent) {
        count_one(gr_org_now_at(core, o), by, less);
    }
    if (job->user != GR_NONE) {
        count_one(gr_user_now_at(core, job->user), by, less);
    }
}

// What the quotas of a job's organisation are used by: pieces of one variant in a row at once, for
// each count walks up the tree.
struct quoting {
    struct gr_core *core;
    uint64_t milli; // of `variant`, not counted yet
    uint32_t org, variant;
    bool less;
};

static void quoting_flush(struct quoting *quoting)
{
    if (quoting->milli > 0) {
        (quoting->less ? gr_quota_less : gr_quota_more)(quoting->core, quoting->org,
                                                        quoting->variant, quoting->milli);
        quoting->milli = 0;
    }
}

static void piece_count(void *context, const struct gr_piece *piece)
{
    struct quoting *quoting = context;
    uint32_t variant = gr_place_node_get(gr_pool(quoting->core), piece->node)->variant;
    if (variant != quoting->variant) {
        quoting_flush(quoting);
        quoting->variant = variant;
    }
    quoting->milli += (uint64_t)__builtin_popcount(piece->devices) * piece->milli;
}

static void quotas_count(struct gr_core *core, uint32_t slot, bool less)
{
    struct quoting quoting = {.core = core, .org = gr_job_at(core, slot)->org, .less = less};
    gr_jobs_pieces(core, gr_allocation_at(core, slot), piece_count, &quoting);
    quoting_flush(&quoting);
}

void gr_past_starts(struct gr_core *core, uint32_t slot)
{
    struct counted by = job_count(core, gr_job_at(core, slot));
    pass(core, gr_job_at(core, slot));
    count(core, gr_job_at(core, slot), &by, false);
    quotas_count(core, slot, false);
}

void gr_past_ends(struct gr_core *core, uint32_t slot)
{
    struct counted by = job_count(core, gr_job_at(core, slot));
    pass(core, gr_job_at(core, slot));
    count(core, gr_job_at(core, slot), &by, true);
    quotas_count(core, slot, true);
}

void gr_past_tasks(struct gr_core *core, uint32_t slot, uint32_t before, uint32_t after)
{
    const struct gr_job *job = gr_job_at(core, slot);
    struct counted more = tasks_count(job, before < after ? after : before);
    struct counted less = tasks_count(job, before < after ? before : after);
    struct counted by = {more.held - less.held, more.share - less.share, 0};
    pass(core, job);
    count(core, job, &by, after < before);
}

void gr_past_pass_all(struct gr_core *core)
{
    int64_t half_life = core->queue_terms.half_life_ms;
    for (uint32_t o = 0; o < core->org_count; o++) {
        gr_past_pass(gr_org_past_at(core, o), gr_org_now_at(core, o)->share_milli, half_life,
                     core->now_ms);
    }
    for (uint32_t u = 0; u < core->user_count; u++) {
        gr_past_pass(gr_user_past_at(core, u), gr_user_now_at(core, u)->share_milli, half_life,
                     core->now_ms);
    }
}

void gr_past_rebuild(struct gr_core *core)
{
    for (uint32_t s = 0; s < core->job_top; s++) {
        if (gr_job_at(core, s)->state == GR_JOB_RUNNING) {
            struct counted by = job_count(core, gr_job_at(core, s));
            count(core, gr_job_at(core, s), &by, false);
        }
    }
}

const char *gr_past_audit(const struct gr_core *core)
{
    unsigned __int128 orgs = 0, users = 0, jobs = 0, jobs_of_users = 0;
    for (uint32_t s = 0; s < core->job_top; s++) {
        const struct gr_job *job = gr_job_at(core, s);
        if (job->state == GR_JOB_RUNNING) {
            struct counted by = job_count(core, job);
            jobs += by.share + by.held;
            jobs_of_users += job->user == GR_NONE ? 0 : by.share;
        }
    }
    for (uint32_t o = 0; o < core->org_count; o++) {
        const struct gr_use_now *now = gr_org_now_at(core, o);
        bool is_root = gr_core_org_get(core, o)->parent == GR_NONE;
        orgs += is_root ? now->share_milli + now->held_milli : 0;
        if (now->running > core->running || gr_org_past_at(core, o)->at_ms > core->now_ms) {
            return "an organisation holds more than there is, or at a time to come";
        }
    }
    for (uint32_t u = 0; u < core->user_count; u++) {
        users += gr_user_now_at(core, u)->share_milli;
    }
    return orgs != jobs             ? "what organisations hold is not what jobs hold"
           : users != jobs_of_users ? "what users hold is not what their jobs hold"
                                    : NULL;
}
