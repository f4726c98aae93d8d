// What the API's refusals mean to the person at the desk, by their stable code. The API's own sentence, with its figures, stands below.

import { lang } from './i18n.js';

export const ERROR_WORDS = {
  error: ['That did not work', '操作失败'],
  http_error: ['That did not work', '操作失败'],
  rejected_input: ['Something in the input is wrong', '输入有误'],
  validation_failed: ['Some fields are wrong', '部分字段有误'],
  malformed_json: ['The request was garbled', '请求格式有误'],
  malformed_request: ['The request was garbled', '请求格式有误'],
  unsupported_media_type: ['The request was garbled', '请求格式有误'],
  invalid_cursor: ['This list has changed; load it again', '列表已变化，请重新加载'],
  unknown_reference: ['This names something that is not registered', '引用的对象未登记'],
  not_found: ['There is no such thing, or it is not yours to see', '对象不存在，或您无权查看'],
  method_not_allowed: ['That cannot be done here', '此处不支持该操作'],
  forbidden: ['Your role may not do this', '您的角色无权执行此操作'],
  not_authenticated: ['Sign in first', '请先登录'],
  too_many_attempts: ['Too many failed attempts; wait a little', '失败次数过多，请稍候再试'],
  same_person: ['A second person has to do this step; you cannot do it as well', '此步骤须由另一人办理，您不能重复办理'],
  wrong_state: ['This step does not follow from the present state', '当前状态下不能执行此步骤'],
  version_mismatch: ['Someone changed this in the meantime; look again', '内容已被他人更改，请重新查看'],
  shortfall: ['The value does not suffice', '价值不足'],
  already_pledged: ['These goods already secure a loan', '货物已为其他借款提供质押'],
  idempotency_conflict: ['This is recorded already with other content', '已有不同内容的记录'],
  conflict: ['This contradicts what is recorded already', '与已有记录冲突'],
  ledger_refusal: ['The ledger refuses this', '台账拒绝此操作'],
  last_administrator: ['Somebody has to be left who administers the users', '须至少保留一名用户管理员'],
  username_taken: ['This user name is in use', '用户名已被占用'],
  body_too_large: ['That is too much at once', '内容过大'],
  store_unavailable: ['The store cannot be reached; try again', '数据库暂不可用，请重试'],
  stopping: ['The server is restarting; try again', '服务正在重启，请重试'],
  misconfigured: ['The server is set up wrongly; tell operations', '服务配置有误，请联系运维'],
  internal_error: ['Something went wrong on the server; it is logged', '服务器出错，已记录日志'],
  unreachable: ['The server cannot be reached', '无法连接服务器'],
  wrong_password: ['The name or the password is wrong', '用户名或密码错误'],
  expired: ['Your session is over; sign in again', '登录已过期，请重新登录'],
  deactivated: ['Your access was ended', '您的账号已停用'],
  roles_changed: ['Your rights have changed; sign in again', '您的权限已变更，请重新登录'],
};

export const errorWords = (code) => (ERROR_WORDS[code] || ERROR_WORDS.error)[lang() === 'zh' ? 1 : 0];
