# Korean

code-subject = { $code } - { $app } 인증 코드
code-subject-unnamed = { $code } - 인증 코드
code-heading = { $app } 인증 코드
code-heading-unnamed = 인증 코드
code-text = { $app } 인증 코드: { $code }
code-text-unnamed = 인증 코드: { $code }
code-expiry = 한 번만 사용할 수 있으며 { $lifetime } 동안 유효합니다.
code-link = 또는 다음 링크를 열어 로그인하세요:
code-button = 로그인
code-warning = 이 코드를 누구에게도 알려 주지 마세요. 요청하지 않았다면 이 메시지를 무시하셔도 됩니다.

login-subject = { $app } 로그인
login-subject-unnamed = 로그인
login-link = 로그인하려면 요청한 기기에서 다음 링크를 여세요:
login-copy = 로그인하려면 다음 텍스트를 요청한 화면에 붙여 넣으세요:
login-button = 로그인
login-warning = 이 메시지를 누구에게도 전달하지 마세요. 요청하지 않았다면 무시하셔도 됩니다.

recovery-subject = { $app } 계정 복구
recovery-subject-unnamed = 계정 복구
recovery-link = 계정을 복구하려면 요청한 기기에서 다음 링크를 여세요:
recovery-copy = 계정을 복구하려면 다음 텍스트를 요청한 화면에 붙여 넣으세요:
recovery-button = 계정 복구
recovery-warning = 이 메시지를 누구에게도 전달하지 마세요. 요청하지 않았다면 다른 사람이 계정에 접근하려는 것일 수 있습니다. 이 메시지는 무시하셔도 됩니다.

bundle-expiry = { $lifetime } 동안 유효합니다.

sms = [{ $app }] 인증 코드: { $code }
sms-unnamed = 인증 코드: { $code }
sms-full = { sms }. { $lifetime } 동안 유효합니다.
sms-full-unnamed = { sms-unnamed }. { $lifetime } 동안 유효합니다.

minutes = { $number }분
hours = { $number }시간
days = { $number }일
