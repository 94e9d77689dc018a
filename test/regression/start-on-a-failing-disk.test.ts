import { expect, it } from 'vitest';
import { Rig } from '../fault/rig.js';

// The last one also fails what is undone behind the refusal.
it.each(['fsync/active@1=ENOSPC', 'fsync/outbox@1=EIO', 'fsync/outbox@1=EDQUOT', 'close@4+=EROFS'])(
  'a start that the disk fails (%s) is refused with a sentence',
  async (rule) => {
    await using rig = new Rig({ environment: { REDIS_URL: 'redis://127.0.0.1:1' } });
    const refused = await rig.start({ plan: [rule] }).then(() => 'started', String);
    expect(refused).toMatch(
      /\nlogweir: LOG_DIR \S+ (?:can't be recovered: the disk |cannot be used: its file system is ).+\n$/,
    );
    expect(refused).not.toContain('crashed');
  },
);
