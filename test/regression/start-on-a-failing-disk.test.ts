import { expect, it } from 'vitest';
import { Rig } from '../fault/rig.js';

it.each(['fsync/active@1=ENOSPC', 'fsync/outbox@1=EIO'])(
  'a start that the disk fails (%s) is refused with a sentence',
  async (rule) => {
    await using rig = new Rig({ environment: { REDIS_URL: 'redis://127.0.0.1:1' } });
    const refused = await rig.start({ plan: [rule] }).then(() => 'started', String);
    expect(refused).toMatch(/\nlogweir: LOG_DIR \S+ can't be recovered: the disk .+\n$/);
    expect(refused).not.toContain('crashed');
  },
);
