import { FsError } from './errno.ts';
import { NAME_MAX, type Name } from './file-system.ts';

/** Checks a name from outside. @throws FsError unless it is one component of a path and no `.` or `..` */
export function checkName(name: Name): Name {
  if (name === '' || name === '.' || name === '..' || /[/\0]/.test(name)) throw new FsError('EINVAL');
  if (name.length > NAME_MAX) throw new FsError('ENAMETOOLONG');
  return name;
}
