// English and Chinese. Codes of the API that have a word here are shown as the word, others as they are.

const WORDS = {
  title: ['Risk desk', '风险工作台'],
  sign_in: ['Sign in', '登录'], username: ['User name', '用户名'], password: ['Password', '密码'], sign_out: ['Sign out', '退出'],
  tagline: ['See the goods that secure a loan', '看得见 · 管得住 · 卖得掉'],
  alerts: ['Alerts', '预警'], facilities: ['Facilities', '授信'], goods: ['Goods', '货物'], margin: ['Margin & disposal', '追保与处置'], ingest: ['Ingest', '数据接入'],
  live: ['live', '实时'], reconnecting: ['reconnecting', '重连中'], connecting: ['connecting', '连接中'],
  open_alerts: ['Open', '未结'], all: ['All', '全部'], ended: ['Ended', '已结束'], every_severity: ['Every severity', '全部级别'],
  no_alerts: ['No alerts here. New ones appear by themselves.', '暂无预警，新的预警会自动出现。'],
  choose_alert: ['Choose an alert to see its evidence.', '选择一条预警查看证据。'],
  opened: ['Opened', '开立'], happened: ['Happened', '发生'], status: ['Status', '状态'], owner: ['Owner', '负责人'], sla: ['Respond within', '处置时限'],
  subject: ['Subject', '对象'], facility: ['Facility', '授信'], warehouse: ['Warehouse', '仓库'], pledge: ['Pledge', '质押'], rule: ['Rule', '规则'],
  exposure_at_risk: ['Exposure at risk', '风险敞口'], evidence: ['Evidence', '证据'], thresholds: ['Thresholds', '阈值'], history: ['History', '经过'],
  acknowledge: ['Acknowledge', '确认收到'], comment: ['Comment', '备注'], add_comment: ['Add comment', '添加备注'], close: ['Close', '关闭'], ask_close: ['Propose closing', '申请关闭'],
  confirm_close: ['Confirm closing', '复核关闭'], set_status: ['Set status', '更新状态'], reason: ['Reason', '原因'], note: ['Note', '说明'],
  two_people: ['Closing P1 and P2 takes two people.', 'P1、P2 预警须双人关闭。'], waits_second: ['Waits for a second person to close it.', '等待第二人复核关闭。'],
  coverage: ['Coverage', '覆盖率'], value: ['Collateral value', '押品价值'], confirmed: ['Physically confirmed', '实物确认价值'], exposure: ['Exposure', '敞口'], availability: ['Availability', '可用额度'],
  borrowing_base: ['Borrowing base', '借款基数'], gross: ['Market value', '市场价值'], held: ['Held at last sighting', '沿用价值'], pending: ['Pending', '待定价值'], ltv: ['Loan to value', '质押率'],
  releasable: ['Releasable now', '可释放'], min_control: ['Minimum control value', '最低控货值'], limit: ['Limit', '额度'], principal: ['Principal', '本金'], cash_margin: ['Cash margin', '保证金'],
  warning_line: ['Warning', '警戒线'], margin_call_line: ['Margin call', '追保线'], disposal_line: ['Disposal', '处置线'], line_state: ['Line state', '线上状态'],
  units: ['Units', '件数'], eligible: ['eligible', '合格'], ineligible: ['Not counted, by reason', '不计值原因'], matures: ['Matures', '到期'], borrower: ['Borrower', '借款人'], as_of: ['As of', '估值时点'],
  coverage_through_time: ['Coverage through time', '覆盖率走势'], not_enough_history: ['Fewer than two valuations yet.', '估值记录不足两条。'], ledger: ['Ledger', '台账'], prices_used: ['Prices used', '采用价格'],
  no_facilities: ['No facilities yet.', '暂无授信。'], no_exposure: ['No exposure', '无敞口'], back: ['Back', '返回'],
  search_goods: ['Find goods: beginning of an id, VIN, heat, piece or tag', '查找：货物编号前缀、VIN、炉号、件号或标签'], search: ['Search', '查找'], nothing_found: ['Nothing found.', '未找到。'], more: ['More', '更多'],
  state: ['State', '状态'], quantity: ['Quantity', '数量'], commodity: ['Commodity', '品种'], place: ['Place', '位置'], last_seen: ['Last seen', '最近读到'], trace: ['Trace', '全程追溯'], learnt: ['learnt', '获知'],
  truncated: ['Only the newest rows are shown of:', '以下仅显示最新记录：'], present: ['Last sighting', '最近位置'], since: ['since', '自'], reads: ['reads', '次读取'], absorbed: ['folded in', '已合并'],
  calls: ['Margin calls', '追加保证金通知'], disposals: ['Disposal cases', '处置案件'], in_cash: ['In cash', '现金'], in_goods: ['Or in goods', '或货物'], deadline: ['Deadline', '截止'], issued: ['Issued', '发出'], cause: ['Cause', '原因'],
  no_calls: ['No margin calls.', '暂无追保。'], no_disposals: ['No disposal cases.', '暂无处置案件。'], approve: ['Approve', '批准'], withdraw: ['Withdraw', '撤回'], proposed: ['Proposed sale value', '拟售价值'], trigger: ['Trigger', '触发'],
  received: ['Received', '接收'], stored: ['Stored', '入库'], repeated: ['Repeated', '重复'], absorbed_n: ['Absorbed', '合并'], refused: ['Refused', '拒收'],
  approvals: ['Approvals', '审批'], jobs: ['Jobs', '作业'], audit: ['Audit', '审计'], load_more: ['Load more', '加载更多'], show: ['show', '查看'],
  releases_waiting: ['Release orders that wait', '待审批放行单'], pledges_waiting: ['Pledges in draft', '待审批质押'], no_releases: ['No release order waits.', '暂无待审批放行单。'], no_pledges: ['No pledge waits.', '暂无待审批质押。'],
  four_eyes: ['Who asked for an order, or signed it, cannot sign it again: each step takes another person.', '申请人及已签批人不得再次签批：每一步须由不同的人办理。'],
  as_maker: ['maker', '经办'], as_checker: ['checker', '复核'], as_second: ['second checker', '二次复核'], requested: ['requested', '申请'], waits_for: ['waits for the', '等待'], three_eyes: ['then a second checker', '之后须二次复核'], you_signed: ['You have signed this order already; another person has to', '您已在此单签批，须由另一人办理'],
  vehicle: ['Vehicle', '车辆'], value_n: ['Value', '价值'], valid_until: ['Valid for', '有效期'], signed_by: ['Signed by', '签批人'], made_at: ['Made', '创建时间'], approved_step: ['Approved:', '已批准：'], cancelled_step: ['Cancelled:', '已取消：'], cancel_order: ['Cancel', '取消'], cancel_sure: ['Cancel this release order?', '确定取消该放行单？'], pickup_code: ['pick-up code', '提货码'], shown_once: ['shown only this once', '仅显示一次'],
  schedule: ['Schedule', '计划'], job: ['Job', '作业'], next_fire: ['Fires next', '下次运行'], last_run: ['Last run', '上次运行'], took: ['Took', '耗时'], started: ['Started', '开始'], found: ['Found', '结果'], runs: ['Runs', '运行记录'], run_now: ['Run now', '立即运行'], run_asked: ['asked for; the leading risk process takes it up', '已提交，由主风控进程执行'], no_schedule: ['No schedule: no risk process leads.', '暂无计划：没有主风控进程。'], no_runs: ['No runs yet.', '暂无运行记录。'], findings: ['findings', '项发现'], errors: ['errors', '项错误'],
  jobs_note: ['Jobs work for the whole platform; of other tenants nothing is named here.', '作业面向整个平台运行，此处不显示其他租户的信息。'],
  cross_check: ['Cross-check', '交叉核对'], overnight_revaluation: ['Overnight revaluation', '夜间重估'], closing_mark: ['Closing mark', '收盘估值'], mark: ['Mark', '估值'], margin_expiry: ['Overdue margin calls', '追保到期处理'], release_expiry: ['Overdue release orders', '放行单到期处理'], conservation: ['Conservation of readings', '读数守恒核对'],
  RUNNING: ['running', '运行中'], SUCCEEDED: ['succeeded', '成功'], PARTLY_FAILED: ['partly failed', '部分失败'], FAILED: ['failed', '失败'], ABANDONED: ['abandoned', '已放弃'], inputs: ['inputs', '输入'], others: ['of other tenants', '属其他租户'],
  users: ['Users', '用户'], users_note: ['Your own roles and access another administrator changes. What a user did stays on record.', '您本人的角色与权限须由另一管理员变更。用户的操作记录始终保留。'], new_user: ['New user', '新增用户'], display_name: ['Name', '姓名'], roles: ['Roles', '角色'], access: ['Access', '权限'], may_sign_in: ['may sign in', '可登录'], locked_out: ['locked out', '已停用'],
  deactivate: ['Lock out', '停用'], activate: ['Let in again', '重新启用'], save_roles: ['Save roles', '保存角色'], new_password: ['New password', '新密码'], set_password: ['Set password', '设置密码'], create: ['Create', '创建'], saved: ['Saved:', '已保存：'], why: ['Why', '原因'],
  risk_officer: ['risk officer', '风控经理'], approver: ['approver', '审批人'], warehouse_operator: ['warehouse operator', '仓库操作员'], device_admin: ['device administrator', '设备管理员'], auditor: ['auditor', '审计员'], admin: ['administrator', '系统管理员'], system: ['system', '系统接口'],
  audit_note: ['Who did what, to what, when. Nothing here can be changed.', '谁在何时对何物做了什么。记录不可更改。'], who: ['Who', '操作人'], did: ['Did', '操作'], detail: ['Detail', '详情'], anybody: ['Anybody', '所有人'],
  q_user_id: ['Who', '操作人'], q_action: ['Action', '操作'], q_subject_kind: ['Kind of subject', '对象类别'], q_subject_id: ['Id of subject', '对象编号'], q_since: ['From day', '起始日'], q_until: ['To day', '截止日'],
  s_alert: ['alert', '预警'], s_commodity: ['commodity', '品种'], s_device: ['device', '设备'], s_disposal: ['disposal case', '处置案件'], s_document: ['paper', '单据'], s_facility: ['facility', '授信'], s_goods: ['goods', '货物'], s_job: ['job', '作业'], s_margin_call: ['margin call', '追保'], s_party: ['party', '参与方'], s_pledge: ['pledge', '质押'], s_price: ['price', '价格'], s_receipt: ['receipt', '仓单'], s_release: ['release order', '放行单'], s_request: ['refused request', '被拒请求'], s_trip: ['trip', '运输'], s_user: ['user', '用户'], s_warehouse: ['warehouse', '仓库'], s_zone: ['zone', '库区'],
  agrees: ['Counters agree with the tables', '计数与库表一致'], disagrees: ['Counters do not agree with the tables', '计数与库表不一致'], per_device: ['Per device, newest day', '按设备（最新日）'], device: ['Device', '设备'], day: ['Day', '日期'],
  dead_letters: ['Dead letters', '死信'], no_dead: ['None.', '无。'], topic: ['Topic', '主题'], times: ['times', '次'], devices: ['Devices', '设备'], silent: ['silent', '静默'], never: ['never heard', '从未上报'], hearing: ['reporting', '正常'],
  silent_note: ['Silence is judged against the newest message of any device, not against the wall clock.', '静默按全部设备最新消息判断，而非按墙上时间。'],
  min: ['min', '分钟'], h: ['h', '小时'], d: ['d', '天'], ago: ['ago', '前'], left: ['left', '剩余'], overdue: ['overdue', '已超时'], under_a_minute: ['under a minute', '不足一分钟'], unknown_device: ['(unknown device)', '（未知设备）'],
  failed: ['That did not work', '操作失败'], loading: ['Loading…', '加载中…'], new_p1: ['New P1 alert', '新的 P1 预警'], yes: ['yes', '是'], no: ['no', '否'], bytes: ['bytes', '字节'],
  OPEN: ['open', '未处理'], ACK: ['acknowledged', '已确认'], INVESTIGATING: ['investigating', '调查中'], CONFIRMED: ['confirmed', '属实'], EXPLAINED: ['explained', '已解释'], FALSE_ALARM: ['false alarm', '误报'], CLOSED: ['closed', '已关闭'], RESOLVED: ['resolved', '已消除'],
  OK: ['OK', '正常'], WARNING: ['warning', '警戒'], MARGIN_CALL: ['margin call', '追保'], DISPOSAL: ['disposal', '处置'], CANNOT_JUDGE: ['cannot judge', '无法判断'],
  HANDLED: ['handled', '已处置'], DEVICE_FAULT: ['device fault', '设备故障'], DATA_ERROR: ['data error', '数据错误'], DUPLICATE: ['duplicate', '重复'],
  OPENED: ['opened', '开立'], REFRESHED: ['seen again', '再次发现'], RAISED: ['raised', '升级'], REOPENED: ['reopened', '重新开立'], ACKNOWLEDGED: ['acknowledged', '确认'], ASSIGNED: ['assigned', '分派'], COMMENTED: ['comment', '备注'], STATUS: ['status', '状态'],
  ISSUED: ['issued', '已发出'], PARTLY_CURED: ['partly cured', '部分补足'], CURED: ['cured', '已补足'], EXPIRED: ['expired', '已逾期'], ESCALATED: ['escalated', '已升级'],
  DRAFT: ['draft', '草稿'], APPROVED: ['approved', '已批准'], WITHDRAWN: ['withdrawn', '已撤回'], PRICE: ['price', '价格'], QUANTITY: ['quantity', '数量'], ELIGIBILITY: ['eligibility', '合格性'], DISPOSAL_LINE: ['disposal line', '触及处置线'], CALL_EXPIRED: ['call expired', '追保逾期'],
  ACTIVE: ['active', '生效'], FROZEN: ['frozen', '冻结'], IN_DISPOSAL: ['in disposal', '处置中'], PLEDGED: ['pledged', '质押中'], STORED: ['stored', '在库'], GATED_OUT: ['gated out', '已出门'], RELEASE_APPROVED: ['release approved', '已批放行'], IN_TRANSIT: ['in transit', '在途'], MISSING: ['missing', '失踪'], DISPUTED: ['disputed', '争议'], EXPECTED: ['expected', '待入库'], DELIVERED: ['delivered', '已交付'], QUARANTINED: ['quarantined', '隔离'], INBOUND_CHECK: ['inbound check', '入库验收'],
  DRAWDOWN: ['drawdown', '放款'], REPAYMENT: ['repayment', '还款'], MARGIN_DEPOSIT: ['margin paid in', '交存保证金'], MARGIN_RETURN: ['margin returned', '退还保证金'], INTEREST: ['interest', '利息'], FEE: ['fee', '费用'], PLEDGE: ['pledge', '质押'], RELEASE: ['release', '解押'], CORRECTION: ['correction', '更正'],
  REQUESTED: ['requested', '已申请'], MAKER_OK: ['first approval', '经办已批'], CHECKER_OK: ['second approval', '复核已批'], RECONCILED: ['reconciled', '已核对'], CANCELLED: ['cancelled', '已取消'], PLANNED: ['planned', '计划'], UNDER_WAY: ['under way', '在途'], ARRIVED: ['arrived', '已到达'], RELEASING: ['releasing', '解押中'], DISCHARGED: ['discharged', '已解除'],
  APPEARED: ['first seen', '首次出现'], ZONE_CHANGE: ['changed zone', '库位变动'], SITE_CHANGE: ['changed site', '换库'], GATE_OUT: ['went out through the gate', '出门'], GATE_IN: ['came in through the gate', '进门'], TID_MISMATCH: ['another chip under this tag number', '标签芯片不符'], FENCE_EXIT: ['left the fence', '驶出围栏'], FENCE_ENTER: ['entered the fence', '驶入围栏'],
  CONTRACT: ['contract', '合同'], INVOICE: ['invoice', '发票'], WAYBILL: ['waybill', '运单'], WEIGH_TICKET: ['weigh ticket', '磅单'], PAYMENT: ['payment', '付款'], TRANSFER_NOTE: ['transfer note', '货权转移'], REGISTRY_FILING: ['registry filing', '登记'], INSURANCE: ['insurance', '保险'], INSPECTION: ['inspection', '检验'],
  k_price: ['Price', '价格'], source: ['Source', '来源'], created_by: ['made by', '经办'], approved_by: ['approved by', '批准'], facility_id: ['facility', '授信'], goods_id: ['goods', '货物'], goods_ids: ['goods', '货物'], warehouse_id: ['warehouse', '仓库'], vehicle_plate: ['vehicle', '车牌'], device_id: ['device', '设备'], occurred_at: ['happened', '发生'], received_at: ['received', '接收'], recorded_at: ['recorded', '记录'], from_zone_id: ['from', '自'], to_zone_id: ['to', '至'], tag_epc: ['tag', '标签'], unit: ['unit', '单位'], pledged_at: ['pledged', '质押时间'],
  k_registration: ['Registered', '登记'], k_binding: ['Tag bound', '绑定标签'], k_unbinding: ['Tag removed', '解绑标签'], k_sighting: ['In place', '在位'], k_read: ['Read', '读取'], k_movement: ['Movement', '移动'], k_declared: ['Declared by a partner', '合作方申报'], k_position: ['Position', '定位'], k_document: ['Paper', '单据'], k_receipt: ['Warehouse receipt', '仓单'], k_trip: ['Trip', '运输'], k_pledge: ['Pledge', '质押'], k_release: ['Release', '放行'], k_alert: ['Alert', '预警'],
};

let current = localStorage.getItem('chuantou.lang') || (navigator.language.startsWith('zh') ? 'zh' : 'en');

export const lang = () => current;
export function setLang(next) {
  current = next;
  localStorage.setItem('chuantou.lang', next);
  document.documentElement.lang = next === 'zh' ? 'zh-CN' : 'en';
}
export const t = (key) => WORDS[key]?.[current === 'zh' ? 1 : 0] ?? String(key);
// A field name of the API as words.
export const label = (name) => (WORDS[name] ? t(name) : name.replace(/_/g, ' '));
