# Chinese in simplified characters

code-subject = { $code } 是您的 { $app } 验证码
code-subject-unnamed = { $code } 是您的验证码
code-heading = 您的 { $app } 验证码
code-heading-unnamed = 您的验证码
code-text = 您的 { $app } 验证码是 { $code }
code-text-unnamed = 您的验证码是 { $code }
code-expiry = 仅可使用一次，{ $lifetime }内有效。
code-link = 或打开此链接登录：
code-button = 登录
code-warning = 请勿将此验证码告诉任何人。如果不是您本人请求的，请忽略此消息。

login-subject = 登录 { $app }
login-subject-unnamed = 登录
login-link = 请在发出请求的设备上打开此链接以登录：
login-copy = 请将此文本复制到您发出请求的地方以登录：
login-button = 登录
login-warning = 请勿将此消息转给任何人。如果不是您本人请求的，请忽略。

recovery-subject = 恢复您的 { $app } 账户
recovery-subject-unnamed = 恢复您的账户
recovery-link = 请在发出请求的设备上打开此链接以恢复账户：
recovery-copy = 请将此文本复制到您发出请求的地方以恢复账户：
recovery-button = 恢复账户
recovery-warning = 请勿将此消息转给任何人。如果不是您本人请求的，可能有人正试图进入您的账户；您可以忽略此消息。

bundle-expiry = { $lifetime }内有效。

sms = { $app } 验证码：{ $code }
sms-unnamed = 验证码：{ $code }
sms-full = { sms }，{ $lifetime }内有效。
sms-full-unnamed = { sms-unnamed }，{ $lifetime }内有效。

minutes = { $number } 分钟
hours = { $number } 小时
days = { $number } 天
